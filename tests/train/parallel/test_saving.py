"""Tests of sharded checkpoints: written meanwhile, read by any number of processes, and by one as ever."""

import json
from pathlib import Path

import pytest
import torch
from together import SharedConfig, shared, together, train

from rushes.errors import RushesError
from rushes.train import checkpoint


def curve(folder: Path) -> list[float]:
    return [json.loads(line)[1] for line in (folder / "loss.jsonl").read_text().splitlines()]


def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path) -> None:
    config = shared(checkpoint_every=2)
    train(config, tmp_path / "whole")
    folder = tmp_path / "changing"
    train(config, folder, stop_at=2)
    said = together(2, lambda world: train(config, folder, world, stop_at=4))[0]
    assert "resumed at step 2 of 8" in said
    newest = checkpoint.committed(folder / "checkpoints")[-1]
    assert newest.name == "step-00000004" and checkpoint.in_parts(newest)
    tensors, facts = checkpoint.read(newest)
    assert facts == {"step": 4, "dtype": "torch.float32"}
    assert {group: all(torch.isfinite(t).all() for t in named.values()) for group, named in tensors.items()} == {
        "model": True,
        "optimizer": True,
    }
    assert "resumed at step 4 of 8" in train(config, folder)
    assert curve(folder) == pytest.approx(curve(tmp_path / "whole"), rel=1e-4)


def test_two_processes_resume_exactly(tmp_path: Path) -> None:
    config = shared(checkpoint_every=3)
    together(2, lambda world: train(config, tmp_path / "whole", world))
    together(2, lambda world: train(config, tmp_path / "broken", world, stop_at=7))
    together(2, lambda world: train(config, tmp_path / "broken", world))
    whole, broken = ((tmp_path / name / "loss.jsonl").read_bytes() for name in ("whole", "broken"))
    assert whole == broken
    last = [checkpoint.committed(tmp_path / name / "checkpoints")[-1] for name in ("whole", "broken")]
    one, other = (checkpoint.read(path)[0] for path in last)
    assert all(torch.equal(tensor, other[group][name]) for group in one for name, tensor in one[group].items())


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    together(2, lambda world: train(SharedConfig(), tmp_path, world, stop_at=4))
    path = checkpoint.committed(tmp_path / "checkpoints")[-1]
    part = next(path.glob("shard-00002*"))
    part.write_bytes(part.read_bytes()[:-10])
    with pytest.raises(RushesError, match="step-00000004 is damaged"):
        checkpoint.read(path)
    part.unlink()
    with pytest.raises(RushesError, match="step-00000004 is damaged"):
        together(2, lambda world: train(SharedConfig(), tmp_path, world))
