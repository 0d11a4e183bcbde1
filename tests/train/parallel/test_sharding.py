"""Tests of sharded training: one, two processes, copies, shared films, and Muon's whole matrices all learn the same."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from together import SharedConfig, shared, together, train
from torch import nn

from rushes.errors import InputError, RushesError
from rushes.models.transformer import Transformer, tiny
from rushes.nn import weights
from rushes.train import checkpoint
from rushes.train.optimizer import orthogonalise
from rushes.train.parallel import sharding
from rushes.train.parallel.world import ParallelConfig, World


def curve(folder: Path) -> list[float]:
    return [json.loads(line)[1] for line in (folder / "loss.jsonl").read_text().splitlines()]


def seen(folder: Path) -> dict[int, list[int]]:
    """Return the films of each step, in the order of the shares; the counting of FLOPs looks at the first step, too."""
    films: dict[int, list[int]] = {}
    for file in sorted(folder.glob("seen-*.txt")):
        for step, rows in dict(line.split(" ", 1) for line in file.read_text().splitlines()).items():
            films.setdefault(int(step), []).extend(json.loads(rows))
    return films


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    train(SharedConfig(), folder)
    return folder


@pytest.mark.parametrize(
    "ways",
    [ParallelConfig(), ParallelConfig(copies=2), ParallelConfig(sequence=2, recompute=True)],
    ids=["sharded", "copies", "sequence"],
)
def test_two_processes_learn_what_one_does(alone: Path, tmp_path: Path, ways: ParallelConfig) -> None:
    said = together(2, lambda world: train(SharedConfig(), tmp_path, world), ways)
    assert curve(tmp_path) == pytest.approx(curve(alone), rel=1e-4)
    assert seen(tmp_path) == seen(alone)
    assert any("weight" in line for line in said[0]) and said[1] == []
    one, two = (load_file(folder / "weights" / weights.FILE) for folder in (alone, tmp_path))
    assert {name: tensor.shape for name, tensor in one.items()} == {name: tensor.shape for name, tensor in two.items()}
    model = Transformer(tiny())
    weights.load(model, tmp_path / "weights", family="transformer")
    error = torch.cat([(one[name] - two[name]).flatten() for name in one])
    assert error.square().mean().sqrt() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("ways", [ParallelConfig(copies=2), ParallelConfig(sequence=2)], ids=["copies", "sequence"])
def test_four_processes_learn_what_one_does(alone: Path, tmp_path: Path, ways: ParallelConfig) -> None:
    together(4, lambda world: train(SharedConfig(), tmp_path, world), ways)
    assert curve(tmp_path) == pytest.approx(curve(alone), rel=1e-4)
    assert seen(tmp_path) == seen(alone)


def rows_of(world: World) -> list[float]:
    """Return how far each group of matrices, orthogonalised in parts, is from the whole ones."""
    like = SimpleNamespace(layout=sharding.Layout(world, torch.device("cpu")))
    found = []
    for num, rows, width in ((3, 8, 8), (2, 8, 8), (2, 7, 12), (5, 12, 7), (1, 3, 3), (1, 1, 4)):
        whole = torch.randn(num, rows, width, generator=torch.Generator().manual_seed(0))
        here = slice(world.rank * -(-rows // 2), (world.rank + 1) * -(-rows // 2))
        made = sharding.ShardedOptimizer._orthogonal(like, whole[:, here], (rows, width))  # type: ignore[arg-type]
        found.append(float((made - orthogonalise(whole)[:, here]).abs().sum()))
    return found


def test_muon_sees_whole_matrices() -> None:
    assert all(error < 1e-4 for found in together(2, rows_of) for error in found)


def test_bfloat16_is_sharded_like_float32(tmp_path: Path) -> None:
    low = shared(dtype="bfloat16", steps=4)
    train(low, tmp_path / "one")
    together(2, lambda world: train(low, tmp_path / "two", world))
    assert curve(tmp_path / "two") == pytest.approx(curve(tmp_path / "one"), rel=0.05)
    kept = load_file(next((tmp_path / "two" / "checkpoints").glob("*/shard-00001*")))
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32}


def test_numbers_that_end_are_blamed_on_their_layer(tmp_path: Path) -> None:
    config = SharedConfig(bad_step=6)
    with pytest.raises(RushesError, match=r"the loss is nan at step 7, in the output of blocks\.1; the last"):
        together(2, lambda world: train(config, tmp_path, world))
    assert [path.name for path in checkpoint.committed(tmp_path / "checkpoints")] == ["step-00000004"]
    assert len(curve(tmp_path)) == 6


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    said = "a batch of 3 samples cannot be shared by 2 processes; the nearest legal number is 1"
    with pytest.raises(InputError, match=said):
        together(2, lambda world: train(SharedConfig(batch=3), tmp_path, world))


def test_only_film_models_share_tokens() -> None:
    world = World.__new__(World)
    world.rank, world.size, world.config = 0, 2, ParallelConfig(sequence=2)
    with pytest.raises(InputError, match="only film models"):
        sharding.check(world, nn.Linear(2, 2), [4])


def test_a_blank_model_holds_what_is_not_trained() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    model[2].requires_grad_(False)
    blank = sharding.blank(model)
    assert blank[0].weight.is_meta and torch.equal(blank[2].weight, model[2].weight)
    whole = sharding.filled(blank, dict(model.named_parameters()), torch.device("cpu"))
    x = torch.randn(3, 2)
    assert torch.equal(whole(x), model.eval()(x)) and blank[0].weight.is_meta
