"""Tests of checkpoints: whole or not there, two are kept, and damage is named."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from rushes.errors import RushesError
from rushes.train import checkpoint

TENSORS = {"model": {"w": torch.arange(6.0).view(2, 3)}, "optimizer": {"m.w": torch.ones(3, dtype=torch.bfloat16)}}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path / "c", 12, TENSORS, {"dtype": "torch.float32"})
    tensors, facts = checkpoint.read(path)
    assert facts == {"step": 12, "dtype": "torch.float32"}
    assert tensors.keys() == TENSORS.keys()
    assert torch.equal(tensors["model"]["w"], TENSORS["model"]["w"])
    assert tensors["optimizer"]["m.w"].dtype == torch.bfloat16


def test_the_last_two_are_kept_in_order_of_steps(tmp_path: Path) -> None:
    for step in (9, 10, 100, 1000):
        checkpoint.write(tmp_path, step, TENSORS, {})
    assert [path.name for path in checkpoint.committed(tmp_path)] == ["step-00000100", "step-00001000"]
    assert checkpoint.committed(tmp_path / "none") == []


def test_a_step_that_is_kept_already_stays(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path, 1, TENSORS, {})
    before = path.stat().st_mtime_ns
    assert checkpoint.write(tmp_path, 1, TENSORS, {}) == path
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_truncated_file_is_named(tmp_path: Path, name: str) -> None:
    path = checkpoint.write(tmp_path, 1, TENSORS, {})
    file = path / name
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(RushesError, match=r"checkpoint .*step-00000001 is damaged .* delete it"):
        checkpoint.read(path)


def test_a_missing_state_is_named(tmp_path: Path) -> None:
    path = checkpoint.write(tmp_path, 1, TENSORS, {})
    (path / "state.json").unlink()
    with pytest.raises(RushesError, match="step-00000001 is damaged"):
        checkpoint.read(path)


def test_a_kill_while_writing_leaves_whole_checkpoints_only(tmp_path: Path) -> None:
    script = (
        "import sys, torch; from pathlib import Path; from rushes.train import checkpoint\n"
        "for step in range(1, 100000):\n"
        "    tensors = {'model': {'w': torch.full((500_000,), float(step))}, 'optimizer': {'m': torch.ones(10)}}\n"
        "    checkpoint.write(Path(sys.argv[1]), step, tensors, {})\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "c")])
    deadline = time.monotonic() + 300
    while not checkpoint.committed(tmp_path / "c") and time.monotonic() < deadline:
        time.sleep(0.01)
    # A draft on disk means that the kill falls into a write.
    while not list((tmp_path / "c").glob(".step-*/model.safetensors")) and time.monotonic() < deadline:
        pass
    os.kill(writer.pid, signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    newest = checkpoint.committed(tmp_path / "c")[-1]
    tensors, facts = checkpoint.read(newest)
    assert (tensors["model"]["w"] == facts["step"]).all()
    # And the next write of the step whose draft was left behind is whole.
    again = checkpoint.write(tmp_path / "c", facts["step"] + 1, TENSORS, {})
    assert torch.equal(checkpoint.read(again)[0]["model"]["w"], TENSORS["model"]["w"])
