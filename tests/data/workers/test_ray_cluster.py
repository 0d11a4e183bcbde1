"""Tests of the Ray runner: two nodes on this machine, one killed, give the dataset that one process gives."""

import contextlib
import itertools
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
import tiny
from ray.cluster_utils import Cluster

from rushes.data.dataset import Dataset
from rushes.data.run import curate
from rushes.data.workers.pool import Failure
from rushes.data.workers.ray_cluster import RayRunner
from rushes.errors import InputError, RushesError

pytestmark = pytest.mark.filterwarnings(  # Ray leaves the files of what it starts to the collector
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
slow = pytest.mark.slow  # a cluster, its nodes and their workers take many seconds to start
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}
LIMITS = {"silent_s": 60, "memory_mb": 4096}


@pytest.fixture(scope="module")
def cluster():
    """A cluster of one node with one core, whose processes find what tests stand on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(tiny.__file__).parent))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        try:
            yield made
        finally:
            made.shutdown()


class Second:
    """A second node, which a test may kill."""

    def __init__(self, cluster):
        self.cluster, self.node = cluster, cluster.add_node(**NODE)
        self.raylet = psutil.Process(self.node.all_processes["raylet"][0].process.pid)

    def pids(self):
        """Return what runs there."""
        return {child.pid for child in self.raylet.children(recursive=True)}

    def kill(self, *, with_workers=True):
        """Kill the node's daemon, and its workers or not; return (what has ended, what has not)."""
        running = self.raylet.children(recursive=True)
        self.cluster.remove_node(self.node, allow_graceful=False)
        for worker in running if with_workers else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        return psutil.wait_procs(running, timeout=20)


@pytest.fixture
def second(cluster):
    node = Second(cluster)
    yield node
    if node.node in cluster.worker_nodes:
        node.kill()


def stamps(folder):
    """Return (number, pid, seconds ago) of each time that an item was begun."""
    names = [(path.name.split("-"), time.time() - path.stat().st_mtime) for path in folder.iterdir()]
    return [(int(number), int(pid), age_s) for (number, pid), age_s in names]


@slow
def test_a_node_that_is_killed_changes_nothing(cluster, second, tmp_path):
    films = tiny.films(tmp_path / "films", 5)
    (tmp_path / "stamps").mkdir()
    config = tiny.config("motion", "sharpness")
    killed = []

    def watch(progress):
        if progress.num_clips and not killed:
            killed.append(second.kill(with_workers=False))

    with RayRunner(cluster.address, **LIMITS) as runner:
        assert set(dict(runner.map(tiny.stamped_work, [(tmp_path / "stamps", n) for n in range(4)])).values()) == {
            0,
            1,
            2,
            3,
        }
        summary = curate(str(tmp_path / "ray"), [str(films)], config, runner, watch=watch)
    ((gone, left),) = killed
    assert len(gone) >= 2 and not left, "the node had a place and a worker in it, and none outlives it"
    assert summary.is_whole and summary.outcomes == {"ok": 5}
    curate(str(tmp_path / "local"), [str(films)], config, tiny.Serial())
    assert Dataset.open(tmp_path / "ray").digest() == Dataset.open(tmp_path / "local").digest()


def kill_at_work(node, folder):
    """Kill the node in the middle of an item and return its number."""
    for _ in range(600):
        theirs = node.pids()
        for number, pid, age_s in stamps(folder):
            if pid in theirs and age_s < 0.4:
                node.kill()
                return number
        time.sleep(0.1)
    raise AssertionError("the node was never seen at work")


@slow
def test_what_is_lost_with_a_node_is_done_again(cluster, second, tmp_path):
    heard = []
    with ThreadPoolExecutor(1) as threads, RayRunner(cluster.address, **LIMITS, on_beat=heard.append) as runner:
        lost = threads.submit(kill_at_work, second, tmp_path)
        numbers = itertools.takewhile(lambda number: not lost.done(), itertools.count())
        found = {item[1]: result for item, result in runner.map(tiny.stamped_work, ((tmp_path, n) for n in numbers))}
    assert found == {number: number for number in range(len(found))}
    begun = [number for number, _, _ in stamps(tmp_path)]
    assert {number for number in begun if begun.count(number) > 1} == {lost.result()}
    assert sum(heard) == 10 * len(found)


@slow
def test_a_worker_takes_down_only_itself(cluster, tmp_path):
    items = [("abort", 1), ("hang", 2), ("eat", 3), ("raise", "oh"), ("full", 6), ("echo", 7)]
    with RayRunner(cluster.address, silent_s=1.5, memory_mb=400, tries=1) as runner:
        found = dict(runner.map(tiny.odd_work, items))
    failures = {item[0]: (value.kind, value.reason) for item, value in found.items() if isinstance(value, Failure)}
    assert found["echo", 7] == 7 and isinstance(found["full", 6].error, RushesError)
    assert failures == {
        "abort": ("crashed", "the worker was ended by SIGABRT"),
        "hang": ("timed out", "no sign of life for 1.5 s"),
        "eat": ("out of memory", "more than 400 MB of memory"),
        "raise": ("failed", "ValueError: oh"),
        "full": ("failed", "the disk is full"),
    }


@slow
def test_items_are_asked_for_when_a_core_is_free(cluster, tmp_path):
    asked = []

    def items():
        for number in range(5):
            asked.append(number)
            yield "echo", number

    with RayRunner(cluster.address, **LIMITS) as runner:
        assert list(runner.map(tiny.odd_work, [])) == []
        for seen, (item, result) in enumerate(runner.map(tiny.odd_work, items())):
            assert item[1] == result and len(asked) <= seen + 2
        once = ("once", str(tmp_path / "tried"))
        assert dict(runner.map(tiny.odd_work, [once])) == {once: once[1]}


@slow
def test_what_is_left_running_is_ended(cluster, tmp_path):
    with RayRunner(cluster.address, **LIMITS) as runner:
        assert dict(runner.map(tiny.stamped_work, [(tmp_path, 1)])) == {(tmp_path, 1): 1}
        ((_, pid, _),) = stamps(tmp_path)
        next(runner.map(tiny.odd_work, [("echo", 1), ("hang", 2)]))
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(pid)


@slow
def test_code_that_nodes_lack_ends_the_run(cluster, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def work(item, beat):\n    return item\n")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("only_here")
    with (
        RayRunner(cluster.address, **LIMITS) as runner,
        pytest.raises(RushesError, match=r"a node of the Ray cluster cannot work: .*only_here"),
    ):
        list(runner.map(sys.modules["only_here"].work, [1]))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", r"no Ray cluster answers at '127.0.0.1:1' \(.*refused"),
        ("ray://127.0.0.1:1", "no Ray cluster answers at 'ray:"),
        ("nowhere", "'nowhere' is illegal; legal are local, auto, HOST:PORT"),
    ],
)
def test_no_cluster_is_one_line(address, said):
    with pytest.raises(InputError, match=said) as found:
        RayRunner(address, **LIMITS)
    assert "\n" not in str(found.value)


def test_a_server_of_another_kind_is_no_cluster():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(InputError, match="something else is listening there"):
            RayRunner(f"127.0.0.1:{server.server_port}", **LIMITS)
