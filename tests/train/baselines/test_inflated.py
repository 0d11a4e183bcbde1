"""Tests of the inflated image model: a film model begins as its image model, and only its temporal layers learn."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers")

from rushes.errors import InputError, WeightsError
from rushes.models import text as texts
from rushes.nn import weights
from rushes.train import baselines
from rushes.train.baselines import BaselineConfig, BaselineObjective, InflatedConfig
from rushes.train.baselines.inflated import Inflated
from rushes.train.film import FilmConfig
from rushes.train.trainer import RunConfig, Trainer

TINY = InflatedConfig(channels=4, widths=(16, 16), heads=2, groups=4, text=texts.tiny())
RUN = RunConfig(steps=8, checkpoint_every=4, preview_every=8, log_every=4, dtype="float32", threads=1)


def silent(*said: object) -> None:
    """Nobody listens."""


def asked(frames: int = 4) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(0)
    latent = torch.randn(2, 4, frames, 9, 16, generator=random)
    return latent, torch.tensor([0.3, 0.9]), torch.tensor([[2, 3, 0, 0], [4, 0, 0, 0]])


def velocity(model: Inflated, latent: torch.Tensor, t: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return model(latent, t, model.read(ids), (torch.zeros(2), torch.full((2,), 2.0)))


def woken(config: InflatedConfig) -> Inflated:
    """Return a model whose branches all say something."""
    torch.manual_seed(1)
    model = Inflated(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def test_an_image_model_sees_each_frame_alone() -> None:
    model, (latent, t, ids) = woken(TINY), asked()
    whole = velocity(model, latent, t, ids)
    assert whole.shape == latent.shape
    for frame in range(4):
        alone = velocity(model, latent[:, :, frame : frame + 1], t, ids)
        assert torch.allclose(whole[:, :, frame : frame + 1], alone, atol=1e-4)


def test_a_film_model_begins_as_its_image_model_and_only_its_temporal_layers_learn(tmp_path: Path) -> None:
    image, (latent, t, ids) = woken(TINY), asked()
    weights.save(image, tmp_path, family="inflated", config=TINY)
    weights.load(image, tmp_path, family="inflated")  # as rounded
    film = Inflated(replace(TINY, stage="film"))
    film.start(tmp_path)
    assert torch.allclose(velocity(film, latent, t, ids), velocity(image, latent, t, ids), atol=1e-5)
    taught = {name for name, parameter in film.named_parameters() if parameter.requires_grad}
    assert taught == {name for name, _ in film.named_parameters() if "motion_modules" in name} != set()


def test_frames_meet_in_the_temporal_layers() -> None:
    model, (latent, t, ids) = woken(replace(TINY, stage="film")), asked()
    changed = latent.clone()
    changed[:, :, 3] += 1
    before, after = velocity(model, latent, t, ids), velocity(model, changed, t, ids)
    assert not torch.allclose(before[:, :, 0], after[:, :, 0], atol=1e-5)


@pytest.mark.parametrize("stage", ["image", "film"])
def test_weights_may_be_bfloat16_beside_exact_tables(stage: str) -> None:
    model, (latent, t, ids) = woken(replace(TINY, stage=stage)), asked()
    exact = velocity(model, latent, t, ids)
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16()
    found = velocity(model, latent, t, ids)
    assert found.dtype == torch.float32 and (found - exact).abs().mean() < 0.1 * exact.abs().mean()


def test_the_film_stage_needs_an_image_model(toy_config: FilmConfig, tmp_path: Path) -> None:
    config = BaselineConfig(film=toy_config, model=replace(TINY, stage="film"))
    with pytest.raises(InputError, match=r"name its weights by film\.run\.init"):
        BaselineObjective(config)
    run = replace(toy_config.run, init=str(tmp_path / "none"))
    with pytest.raises(WeightsError, match="there are no weights"):
        BaselineObjective(replace(config, film=replace(toy_config, run=run)))


def test_both_stages_train_and_their_flops_add_up(
    toy_config: FilmConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "PREVIEW_STEPS", 2)
    network = replace(TINY, channels=toy_config.model.channels, text=toy_config.model.text)
    few = replace(toy_config, run=RUN, buckets=tuple(replace(bucket, batch=2) for bucket in toy_config.buckets))
    first = BaselineConfig(film=few, model=network)
    image = Trainer(first, tmp_path / "image", say=silent).run(silent)
    run = replace(RUN, init=str(image))
    second = BaselineConfig(film=replace(few, run=run), model=replace(network, stage="film"))
    Trainer(second, tmp_path / "film", say=silent).run(silent, stop_at=5)
    film = Trainer(second, tmp_path / "film", say=silent).run(silent)
    assert image is not None and film is not None
    before, after = (weights.read_config(each, family="inflated")["facts"]["flops"] for each in (image, film))
    assert after > 1.5 * before > 0
    kept, learned = (Inflated(replace(second.model, stage=stage, text=_words(image))) for stage in ("image", "film"))
    weights.load(kept, image, family="inflated")
    weights.load(learned, film, family="inflated")
    then = learned.state_dict()
    assert all(torch.equal(tensor, then[name]) for name, tensor in kept.state_dict().items())
    moved = [name for name, tensor in then.items() if "motion_modules" in name and "proj_out" in name and tensor.any()]
    assert moved


def _words(folder: Path) -> texts.TextConfig:
    told = weights.read_config(folder, family="inflated")["config"]["text"]
    return texts.TextConfig(**told | {"words": tuple(told["words"])})
