"""Tests of what all baselines share: the objective that is our own, exact resume, FLOPs, films with their requests."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from broken_off import broken_off
from click.testing import CliRunner

from rushes import config as configs
from rushes.cli.main import main
from rushes.errors import InputError, WeightsError
from rushes.media import metadata
from rushes.media.encode import encode
from rushes.media.probe import probe
from rushes.models.transformer import Transformer
from rushes.nn import weights
from rushes.train import baselines
from rushes.train.baselines import (
    BaselineConfig,
    BaselineObjective,
    FactorisedConfig,
    InflatedConfig,
    build,
    generator,
    load,
    opened,
    step_flops,
)
from rushes.train.film import FilmConfig, FilmObjective
from rushes.train.presets.baseline_factorised import baseline_factorised
from rushes.train.presets.baseline_inflated import baseline_inflated
from rushes.train.trainer import RunConfig, Trainer
from rushes.types import GenerationRequest, VideoShape

ORACLE = Path(__file__).parents[2] / "weights" / "oracle"
RUN = RunConfig(steps=12, checkpoint_every=4, preview_every=12, log_every=4, dtype="float32", threads=1)


def silent(*said: object) -> None:
    """Nobody listens."""


def toy(film: FilmConfig, family: str, run: RunConfig = RUN) -> BaselineConfig:
    """Return a baseline about as small as the toy film model, on its films."""
    channels, text = film.model.channels, film.model.text
    networks = {
        "inflated": InflatedConfig(channels=channels, widths=(16, 16), heads=2, groups=4, text=text),
        "factorised": FactorisedConfig(channels=channels, width=32, depth=2, heads=2, text=text),
    }
    return BaselineConfig(film=replace(film, run=run), model=networks[family])


@pytest.fixture(params=["inflated", "factorised"])
def config(request: pytest.FixtureRequest, toy_config: FilmConfig) -> BaselineConfig:
    pytest.importorskip("diffusers")
    return toy(toy_config, request.param)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)[1] for line in (folder / "loss.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("preset", [baseline_inflated, baseline_factorised])
def test_a_preset_comes_back_from_its_json(preset: type) -> None:
    whole = preset()
    assert configs.from_dict(BaselineConfig, json.loads(json.dumps(configs.to_dict(whole)))) == whole
    changed = configs.override(whole, ["film.run.steps=7", "model.heads=2"])
    assert (changed.run.steps, changed.model.heads) == (7, 2)
    assert type(changed.model) is type(whole.model)


def test_every_preset_learns_the_same_films_for_the_same_flops() -> None:
    pytest.importorskip("diffusers")
    film = baseline_factorised().film
    assert baseline_inflated().film == film
    image = baseline_inflated().model
    networks = [baseline_factorised().model, image, replace(image, stage="film")]
    text = replace(film.model.text, words=tuple(f"word{i}" for i in range(340)))
    ours = step_flops(Transformer(replace(film.model, text=text)), film)
    for network in networks:
        model = build(replace(network, text=text))
        model.learn()
        assert step_flops(model, film) / ours == pytest.approx(1.0, abs=0.05), network


def test_a_step_counts_as_many_flops_as_its_films(toy_config: FilmConfig) -> None:
    model = FilmObjective(toy_config).model
    once = step_flops(model, toy_config)
    twice = replace(toy_config, buckets=tuple(replace(each, batch=2 * each.batch) for each in toy_config.buckets))
    assert step_flops(model, twice) == pytest.approx(2 * once) and once > 0
    assert all(parameter.grad is None and parameter.device.type == "cpu" for parameter in model.parameters())


def test_the_objective_is_our_own(config: BaselineConfig, tmp_path: Path) -> None:
    ours = FilmObjective(config.film)
    ours.prepare(tmp_path, silent)
    baseline = BaselineObjective(config)
    baseline.prepare(tmp_path, silent)
    for step in range(6):
        assert baseline.num_samples(step) == ours.num_samples(step)
        loss, figures = baseline.loss(ours.model, step)
        again, same = ours.loss(ours.model, step)
        assert torch.equal(loss, again) and figures.keys() == same.keys()


def test_a_run_learns_resumes_exactly_and_ships(
    config: BaselineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "PREVIEW_STEPS", 2)
    shipped = Trainer(config, tmp_path / "whole", say=silent).run(silent)
    Trainer(config, broken_off(tmp_path / "whole", tmp_path / "broken"), say=silent).run(silent)
    assert shipped is not None
    one, other = ((tmp_path / name / "weights" / weights.FILE).read_bytes() for name in ("whole", "broken"))
    assert one == other
    found = losses(tmp_path / "whole")
    assert found == losses(tmp_path / "broken")
    assert np.mean(found[-3:]) < np.mean(found[:3])
    assert (tmp_path / "whole" / "previews" / "step-0000012.png").is_file()
    model = load(shipped, config.model.family)
    facts = weights.read_config(shipped, family=config.model.family)["facts"]
    model.learn()
    assert facts["flops"] == pytest.approx(12 * step_flops(model, config.film))


def test_films_carry_the_request_that_made_them(config: BaselineConfig, tmp_path: Path) -> None:
    torch.manual_seed(0)
    objective = BaselineObjective(config)
    folder = objective.ship(objective.model, tmp_path / "weights", {"steps": 0})
    model = load(folder, config.model.family)
    make = generator(model, Path(config.film.autoencoder), "0123")
    request = GenerationRequest(
        prompt="a red fish",
        seed=3,
        shape=VideoShape(frames=16, height=384, width=672),
        fps=8,
        num_steps=2,
        guidance_scale=3.0,
    )
    path = tmp_path / "film.mp4"
    encode(path, make.generate(request), fps=8, shape=request.shape, request=make.record(request))
    told = metadata.read_request(path)
    assert (told["prompt"], told["seed"], told["weights"]["film"]) == ("a red fish", 3, "0123")
    assert (probe(path).num_frames, probe(path).width, probe(path).height) == (16, 672, 384)
    assert torch.equal(make.latent(request), make.latent(request))


def test_windows_are_refused(config: BaselineConfig) -> None:
    buckets = tuple(replace(bucket, crop=(3, 5)) for bucket in config.film.buckets)
    with pytest.raises(InputError, match=r"whole films: the one legal crop of a bucket is \(0, 0\)"):
        BaselineObjective(replace(config, film=replace(config.film, buckets=buckets)))


@pytest.fixture
def no_diffusers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make diffusers impossible to import, installed or not."""
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "diffusers", None)
        for name in ("inflated", "factorised"):
            patch.delitem(__import__("sys").modules, f"rushes.train.baselines.{name}", raising=False)
        yield


@pytest.mark.parametrize("network", [InflatedConfig(), FactorisedConfig()])
def test_without_diffusers_it_is_said_what_to_install(network: object, no_diffusers: None) -> None:
    with pytest.raises(InputError, match="pip install diffusers"):
        build(network)


@pytest.fixture
def whole(config: BaselineConfig, tmp_path: Path) -> Path:
    """Return a folder like that of any weights, with an untaught baseline as its film model."""
    facts = {"preset": configs.to_dict(config)}
    family = config.model.family
    weights.save(build(config.model), tmp_path / "film", family=family, config=config.model, facts=facts)
    shutil.copytree(config.film.autoencoder, tmp_path / "autoencoder")
    shutil.copytree(ORACLE, tmp_path / "oracle")
    return tmp_path


def test_a_baseline_opens_like_any_weights(whole: Path, config: BaselineConfig, tmp_path: Path) -> None:
    made = opened(whole, device="cpu")
    assert made.film.config == config.model
    assert set(made.hashes) == {"autoencoder", "film"}
    shutil.rmtree(whole / "film")
    with pytest.raises(WeightsError, match="no weights"):
        opened(whole)


@pytest.mark.parametrize("config", ["factorised"], indirect=True)
def test_it_is_evaluated_and_filmed_for_the_arena_like_any(whole: Path, tmp_path: Path) -> None:
    few = ["--num", "1", "--steps", "1", "--guidance", "1"]
    part = ["--tiers", "flipbook", "--num-reconstructed", "1", "--cache", "none"]
    told = CliRunner().invoke(main, ["evaluate", str(whole), *few, *part, "--json", str(tmp_path / "scores.json")])
    assert told.exit_code == 0, told.output
    report = json.loads((tmp_path / "scores.json").read_text())
    assert set(report["weights"]) == {"autoencoder", "film", "oracle"} and "flipbook" in report["tiers"]
    asked = [f"a={whole}", f"b={whole}", "-o", str(tmp_path / "set"), "--tier", "flipbook", *few]
    made = CliRunner().invoke(main, ["arena", "make", *asked])
    assert made.exit_code == 0 and "1 pairs" in made.stdout, made.output
