"""Tests of the pool: results come back, and a worker that crashes, hangs or eats memory takes down only itself."""

import pytest
import tiny

from rushes.data.workers.pool import Failure, LocalRunner
from rushes.errors import RushesError


def outcomes(runner, items):
    return {item: result for item, result in runner.map(tiny.odd_work, items)}


@pytest.fixture(scope="module")
def runner():
    with LocalRunner(2, silent_s=1.5, memory_mb=400) as pool:
        yield pool


def test_results_come_back_from_worker_to_worker(runner):
    items = [("echo", number) for number in range(20)]
    assert outcomes(runner, iter(items)) == {item: item[1] for item in items}
    assert outcomes(runner, []) == {}


def test_items_are_asked_for_when_a_worker_is_free(runner):
    asked = []

    def items():
        for number in range(8):
            asked.append(number)
            yield "echo", number

    seen = 0
    for _ in runner.map(tiny.odd_work, items()):
        seen += 1
        assert len(asked) <= seen + 2
    assert seen == 8


def test_a_worker_takes_down_only_itself(runner):
    items = [("abort", 1), ("hang", 2), ("eat", 3), ("raise", "oh"), ("echo", 5), ("full", 6), ("echo", 7)]
    found = outcomes(runner, items)
    assert found["echo", 5] == 5 and found["echo", 7] == 7
    kinds = {item[0]: value.kind for item, value in found.items() if isinstance(value, Failure)}
    assert kinds == {
        "abort": "crashed",
        "hang": "timed out",
        "eat": "out of memory",
        "raise": "failed",
        "full": "failed",
    }
    assert "SIGABRT" in found["abort", 1].reason and "1.5 s" in found["hang", 2].reason
    assert "400 MB" in found["eat", 3].reason and found["raise", "oh"].reason == "ValueError: oh"
    assert isinstance(found["full", 6].error, RushesError) and found["raise", "oh"].error is None


def test_a_crash_is_tried_once_more(runner, tmp_path):
    item = ("once", str(tmp_path / "tried"))
    assert outcomes(runner, [item]) == {item: item[1]}


def test_signs_of_life_keep_a_slow_worker_alive():
    heard = []
    with LocalRunner(1, silent_s=1.5, memory_mb=4096, on_beat=heard.append) as pool:
        assert outcomes(pool, [("slow", 1)]) == {("slow", 1): 1}
    assert 40 <= sum(heard) <= 60
