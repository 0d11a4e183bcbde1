"""Tests of banks: what a killed build leaves is finished exactly, and the order of samples has no memory."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rushes.data.banks import bank
from rushes.errors import InputError, RushesError


@dataclass(frozen=True)
class Rows:
    """Rows that say their index; `pause_s` makes a build slow enough to be killed."""

    pause_s: float = 0.0

    def __call__(self, index: int) -> bank.Row:
        time.sleep(self.pause_s)
        rng = np.random.default_rng(index)
        return {"x": rng.normal(size=(2, 3)).astype(np.float32), "i": np.int64(index)}, {"index": index}


def content(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_a_bank_holds_what_was_made(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    built = bank.build(tmp_path / "b", 200, Rows(), workers=1, watch=lambda *counts: seen.append(counts))
    assert len(built) == 200 and seen == [(1, 2), (2, 2)]
    indices = np.array([0, 127, 128, 199, 3])
    assert built.take("i", indices).tolist() == indices.tolist()
    assert np.array_equal(built.take("x", indices)[2], Rows()(128)[0]["x"])
    assert [built.values[i]["index"] for i in indices] == indices.tolist()


def test_a_finished_bank_is_opened_and_a_larger_one_grows(tmp_path: Path) -> None:
    bank.build(tmp_path, 100, Rows(), workers=1)
    before = content(tmp_path)
    bank.build(tmp_path, 128, _never, workers=1)
    bank.build(tmp_path, 129, Rows(), workers=1)
    after = content(tmp_path)
    assert set(after) > set(before) and all(after[name] == data for name, data in before.items())


def _never(index: int) -> bank.Row:
    raise AssertionError("nothing is missing")


def test_two_workers_make_what_one_makes(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "if __name__ == '__main__':\n"
        "    from pathlib import Path; from rushes.data.banks import bank; from test_bank import Rows\n"
        "    bank.build(Path(sys.argv[2]), 256, Rows(), workers=2)\n"
    )
    (tmp_path / "build.py").write_text(script)
    here = str(Path(__file__).parent)
    subprocess.run([sys.executable, tmp_path / "build.py", here, tmp_path / "two"], check=True, timeout=300)
    bank.build(tmp_path / "one", 256, Rows(), workers=1)
    assert content(tmp_path / "two") == content(tmp_path / "one")


def test_a_killed_build_goes_on_and_gives_the_same_bank(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from rushes.data.banks import bank; from test_bank import Rows\n"
        "bank.build(Path(sys.argv[2]), 1280, Rows(0.002), workers=1)\n"
    )
    here, folder = str(Path(__file__).parent), tmp_path / "killed"
    build = subprocess.Popen([sys.executable, "-c", script, here, folder])
    deadline = time.monotonic() + 300
    while not (folder / "chunk-00001").is_dir() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.1)
    os.kill(build.pid, signal.SIGKILL)
    assert build.wait() == -signal.SIGKILL
    assert not (folder / "chunk-00009").exists()
    made = {path: path.stat().st_mtime_ns for path in folder.glob("chunk-*/x.npy")}
    bank.build(folder, 1280, Rows(), workers=1)
    bank.build(tmp_path / "whole", 1280, Rows(), workers=1)
    assert content(folder) == content(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == when for path, when in made.items())  # whole chunks are not made twice


def test_two_processes_may_build_one_bank(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from rushes.data.banks import bank; from test_bank import Rows\n"
        "made = []\n"
        "built = bank.build(Path(sys.argv[2]), 512, Rows(0.002), workers=1, watch=lambda *at: made.append(at))\n"
        "print(len(made), len(built))\n"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path / "both")]
    builds = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [build.communicate(timeout=300)[0].split() for build in builds]
    assert [build.returncode for build in builds] == [0, 0]
    assert sum(int(made) for made, _ in said) == 4  # each chunk was made once
    assert [int(rows) for _, rows in said] == [512, 512]
    bank.build(tmp_path / "one", 512, Rows(), workers=1)
    assert content(tmp_path / "both") == content(tmp_path / "one")


def test_drafts_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (".chunk-00000", f".chunk-00001-{ended.pid}", f".chunk-00002-{os.getppid()}"):
        (tmp_path / name).mkdir()
    bank.build(tmp_path, 128, Rows(), workers=1)
    assert sorted(path.name for path in tmp_path.glob(".chunk-*")) == [f".chunk-00002-{os.getppid()}"]


def test_too_small_a_bank_is_refused(tmp_path: Path) -> None:
    bank.build(tmp_path, 128, Rows(), workers=1)
    with pytest.raises(InputError, match="holds 128 rows, not 129"):
        bank.Bank.open(tmp_path, 129)


@pytest.mark.parametrize("name", ["x.npy", "rows.jsonl"])
def test_a_damaged_chunk_is_named(tmp_path: Path, name: str) -> None:
    bank.build(tmp_path, 128, Rows(), workers=1)
    file = tmp_path / "chunk-00000" / name
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(RushesError, match=r"chunk-00000 is damaged .* delete it"):
        bank.Bank.open(tmp_path, 128)


def test_keys_follow_the_values_and_not_their_order() -> None:
    assert bank.key({"a": 1, "b": [2]}) == bank.key({"b": [2], "a": 1}) != bank.key({"a": 1, "b": [3]})
    assert len(bank.key({})) == 12 and json.loads(f'"{bank.key({})}"')


def test_an_epoch_is_a_permutation_and_batches_cross_its_end() -> None:
    num, batch = 10, 4
    stream = np.concatenate([bank.order(num, batch, 3, step) for step in range(15)])
    epochs = stream.reshape(6, num)
    assert all(sorted(epoch) == list(range(num)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6


def test_the_order_needs_no_memory() -> None:
    forwards = [bank.order(100, 7, 1, step).tolist() for step in range(40)]
    backwards = [bank.order(100, 7, 1, step).tolist() for step in reversed(range(40))]
    assert forwards == backwards[::-1]
    assert bank.order(100, 7, 1, 5).tolist() != bank.order(100, 7, 2, 5).tolist()


def test_a_batch_may_be_larger_than_the_bank() -> None:
    indices = bank.order(3, 8, 0, 1)
    assert len(indices) == 8 and set(indices) == {0, 1, 2}
