"""Tests that guidance can be folded into weights by an adapter, and that films are then made with it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from broken_off import broken_off

from rushes.errors import InputError
from rushes.generate import FOLDED, Generator
from rushes.models.transformer import Transformer
from rushes.nn import lora, weights
from rushes.nn.lora import LoraConfig
from rushes.tiers import TIERS
from rushes.train.film import FilmConfig
from rushes.train.fold import FoldConfig, FoldObjective
from rushes.train.trainer import Trainer
from rushes.types import GenerationRequest


@pytest.fixture(scope="module")
def config(toy_config: FilmConfig, toy_run: Path, tmp_path_factory: pytest.TempPathFactory) -> FoldConfig:
    """A short run that begins at the toy's weights, made to listen to prompts, which they hardly do by themselves."""
    base = tmp_path_factory.mktemp("base")
    model = Transformer.from_pretrained(toy_run / "weights")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "text_kv" in name or name.startswith("pool."):
                parameter.mul_(8.0)
    weights.save(model, base, family="transformer", config=model.config)
    values = {name: getattr(toy_config, name) for name in FilmConfig.__dataclass_fields__}
    run = replace(toy_config.run, init=str(base), steps=80, checkpoint_every=20, preview_every=80)
    optimizer = replace(toy_config.optimizer, lr=4e-3, muon_lr=0.0, ema=0.8)
    return FoldConfig(**values | {"run": run, "optimizer": optimizer, "lora": LoraConfig(rank=8, alpha=8.0)})


@pytest.fixture(scope="module")
def folder(config: FoldConfig, toy_autoencoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy's weights with an adapter of a short run beside them."""
    place = tmp_path_factory.mktemp("folded")
    shipped = Trainer(config, place / "run", say=lambda line: None).run(lambda *said: None)
    assert shipped is not None and shipped.name == FOLDED
    shutil.copytree(toy_autoencoder, place / "weights" / "autoencoder")
    shutil.copytree(config.run.init, place / "weights" / "film")
    shutil.copy(shipped, place / "weights" / "film" / FOLDED)
    return place


def ask(**changes: object) -> GenerationRequest:
    tier = TIERS["flipbook"]
    values = {"prompt": "a red cat", "shape": tier.shape, "fps": 8, "num_steps": 3, "guidance_scale": 3.0}
    return GenerationRequest(**values | changes)


def test_it_begins_as_its_teacher_and_only_the_adapter_learns(config: FoldConfig, tmp_path: Path) -> None:
    objective = FoldObjective(config)
    objective.prepare(tmp_path, lambda line: None)
    learning = [name for name, parameter in objective.model.named_parameters() if parameter.requires_grad]
    assert learning and all(name.endswith((".down", ".up")) for name in learning)
    without = FoldObjective(replace(config, no_prompt=1.0))
    without.prepare(tmp_path, lambda line: None)
    assert float(without.loss(without.model, 0)[0].detach()) < 1e-8  # nothing was asked: the teacher's own velocity
    assert float(objective.loss(objective.model, 0)[0].detach()) > 1e-3


def test_the_folded_velocity_is_nearer_to_the_guided_one(folder: Path, config: FoldConfig, tmp_path: Path) -> None:
    objective = FoldObjective(config)
    objective.prepare(tmp_path, lambda line: None)
    taught = lora.merge(Transformer.from_pretrained(Path(config.run.init)), lora.read(folder / "run/weights" / FOLDED))
    with torch.no_grad():
        steps = range(1000, 1010)  # that were not trained on
        before, after = (
            sum(float(objective.loss(model, step)[0]) for step in steps) for model in (objective.teacher, taught)
        )
    assert after < 0.7 * before


def test_films_with_the_folded_scale_take_one_pass(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "weights", tmp_path / "plain")
    (tmp_path / "plain" / "film" / FOLDED).unlink()
    fast, plain = (Generator.load(f, device="cpu", dtype="float32") for f in (folder / "weights", tmp_path / "plain"))
    assert (fast.folded, plain.folded) == (3.0, 1.0)
    assert set(fast.hashes) - set(plain.hashes) == {"folded"}
    assert [len(each._shares(ask())) for each in (fast, plain)] == [1, 2]
    assert [len(each._shares(ask(guidance_scale=1.0))) for each in (fast, plain)] == [2, 1]
    assert [len(each._shares(ask(negative_prompt="blue"))) for each in (fast, plain)] == [3, 2]
    for request in (ask(), ask(guidance_scale=1.0), ask(negative_prompt="blue")):
        assert fast.latent(request).isfinite().all()


def test_an_adapter_for_other_weights_is_left_alone(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "weights", tmp_path / "other")
    adapter = lora.read(tmp_path / "other" / "film" / FOLDED)
    lora.save(replace(adapter, base="0" * 64), tmp_path / "other" / "film" / FOLDED)
    assert Generator.load(tmp_path / "other", device="cpu").folded == 1.0


@pytest.mark.parametrize("changes", [{"lora": LoraConfig()}, {"run": None}])
def test_what_it_needs_is_named(config: FoldConfig, changes: dict[str, object]) -> None:
    if changes.get("run", "") is None:
        changes = {"run": replace(config.run, init="")}
    with pytest.raises(InputError, match="name both"):
        FoldObjective(replace(config, **changes))


def test_the_loss_falls_and_a_stopped_run_goes_on_exactly(config: FoldConfig, folder: Path, tmp_path: Path) -> None:
    losses = [float(line.split(",")[1].strip(" ]\n")) for line in (folder / "run/loss.jsonl").read_text().splitlines()]
    assert sum(losses[-8:]) < 0.9 * sum(losses[:8])
    again = Trainer(config, broken_off(folder / "run", tmp_path / "run"), say=lambda line: None).run(lambda *said: None)
    assert again is not None and again.read_bytes() == (folder / "run" / "weights" / FOLDED).read_bytes()
    assert torch.isfinite(torch.cat([tensor.flatten() for tensor in lora.read(again).tensors.values()])).all()
