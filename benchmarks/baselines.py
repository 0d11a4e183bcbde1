"""Is our film model preferred to other recipes' that were taught the same films for the same FLOPs?

Trains ours and both baselines (docs/baselines.md) on one bank, lays out a folder of weights for each that `rushes
evaluate` and `rushes arena make` open like any, films held-out prompts with each into a folder of its own, and lets the
oracle read them; `rushes arena make` then pairs the three folders. An interrupted run goes on where it was. `--toy` is
the whole path at toy size; `--ours` takes weights that are trained already, and `--flops` what that took. Settings of
the films and of the training are those of a film preset: `run.threads=1 workers=1`.
`pip install diffusers` first.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rushes.config import override
from rushes.errors import InputError
from rushes.evaluate import blind, prompts
from rushes.evaluate.films import Effort, request_for
from rushes.evaluate.metrics import prompt_fidelity
from rushes.evaluate.oracle import read
from rushes.evaluate.prompts import Case
from rushes.generate import Generator
from rushes.media import metadata
from rushes.media.encode import encode
from rushes.models.oracle import Oracle
from rushes.nn import weights
from rushes.train.baselines import (
    BaselineConfig,
    FactorisedConfig,
    InflatedConfig,
    NetworkConfig,
    build,
    opened,
    step_flops,
)
from rushes.train.film import FilmConfig, FilmObjective
from rushes.train.presets.baseline_factorised import baseline_factorised
from rushes.train.presets.baseline_inflated import baseline_inflated
from rushes.train.presets.toy import toy
from rushes.train.presets.toy_transform import toy_transform
from rushes.train.trainer import Config, Progress, Trainer

SLACK = 0.05  # how far from its budget a training may be


def say(line: str) -> None:
    print(line, flush=True)


def watch(p: Progress) -> None:
    say(f"step {p.step}/{p.steps}  loss {p.loss:.4f}  {p.tflops:.3f} TFLOP/s")


def train(config: Config, folder: Path) -> Path:
    """Train to the end, from wherever the folder's run is; return the weights."""
    say(f"-- {folder}")
    shipped = Trainer(config, folder, say=say).run(watch)
    assert shipped is not None
    return shipped


def settings(how: argparse.Namespace) -> tuple[FilmConfig, InflatedConfig, FactorisedConfig]:
    """Return what is learned and by which baselines."""
    film, image, pairs = baseline_factorised().film, baseline_inflated().model, baseline_factorised().model
    if how.toy:
        autoencoder = train(toy_transform(), how.out / "toy_transform")
        film = replace(toy(), autoencoder=str(autoencoder), banks=str(how.out / "banks"))
        same: dict[str, Any] = {"channels": film.model.channels, "text": film.model.text, "heads": 2}
        image, pairs = InflatedConfig(widths=(12, 12), groups=4, **same), FactorisedConfig(width=32, depth=2, **same)
    assert isinstance(image, InflatedConfig) and isinstance(pairs, FactorisedConfig)
    return override(film, how.settings), image, pairs


def teach(film: FilmConfig, network: NetworkConfig, flops: float, folder: Path, init: str = "") -> Path:
    """Train a baseline for so many FLOPs; return its weights."""
    model = build(network)
    model.learn()
    each = step_flops(model, film)
    run = replace(film.run, steps=max(1, round(flops / each)), init=init)
    if abs(run.steps * each / flops - 1) > SLACK:
        raise InputError(f"{run.steps} steps of {each:.3g} FLOPs are not {flops:.3g}; more FLOPs come closer")
    return train(BaselineConfig(film=replace(film, run=run), model=network), folder)


def contestants(how: argparse.Namespace) -> tuple[dict[str, Path], dict[str, float]]:
    """Train what is not trained yet; return each model's folder of weights, and the FLOPs that taught it."""
    film, image, pairs = settings(how)
    ours_step = step_flops(FilmObjective(film).model, film)
    budget = how.flops or film.run.steps * ours_step
    steps = round(budget / ours_step)
    folder = how.ours or train(replace(film, run=replace(film.run, steps=steps)), how.out / "runs" / "ours")
    spent = {"ours": budget if how.ours else steps * ours_step}
    factorised = teach(film, pairs, budget, how.out / "runs" / "factorised")
    share = how.image_share
    images = teach(film, image, share * budget, how.out / "runs" / "images")
    inflated = teach(
        film, replace(image, stage="film"), (1 - share) * budget, how.out / "runs" / "inflated", str(images)
    )
    films = {"ours": folder, "factorised": factorised, "inflated": inflated}
    for name in ("factorised", "inflated"):
        spent[name] = weights.read_config(films[name], family=name)["facts"]["flops"]
    return {name: laid_out(how.out / "models" / name, place, film, how.oracle) for name, place in films.items()}, spent


def laid_out(folder: Path, film: Path, config: FilmConfig, oracle: Path) -> Path:
    """Copy a film model into a folder of its own, beside the autoencoder and the oracle that go with it."""
    for name, place in (("film", film), ("autoencoder", Path(config.autoencoder)), ("oracle", oracle)):
        shutil.copytree(place, folder / name, dirs_exist_ok=True)
    return folder


def film_all(make: Generator, cases: Sequence[Case], folder: Path, how: argparse.Namespace) -> list[Path]:
    """Film every case into `folder`; films that are there already stay."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{case.index:05d}.mp4" for case in cases]
    for case, path in zip(cases, paths, strict=True):
        request = request_for(case, how.tier, Effort(num_steps=how.steps, guidance_scale=how.guidance))
        record = json.loads(json.dumps(make.record(request)))
        if not path.is_file() or metadata.read_request(path) != record:
            encode(path, make.generate(request), fps=request.fps, shape=request.shape, request=record, force=True)
    say(f"{folder}: {len(paths)} films")
    return paths


def score(paths: Sequence[Path], cases: Sequence[Case], oracle: Oracle) -> list[dict[str, Any]]:
    """Return how often the oracle reads what was asked for, attribute by attribute."""
    readings = read(oracle, [blind.look_at_film(path) for path in paths])
    return prompt_fidelity.measure([each.answers for each in readings], [case.scene for case in cases])


def table(scores: dict[str, list[dict[str, Any]]], spent: dict[str, float]) -> str:
    """Return FLOPs and shares in per cent, with their 95 % intervals, as Markdown."""
    lines = [f"| | {' | '.join(scores)} |", f"|---|{'---|' * len(scores)}"]
    lines.append(f"| training FLOPs | {' | '.join(f'{spent[name]:.3e}' for name in scores)} |")
    for rows in zip(*scores.values(), strict=True):
        cells = [
            "-"
            if row["share"] is None
            else f"{100 * row['share']:.0f} ({100 * row['low']:.0f} to {100 * row['high']:.0f})"
            for row in rows
        ]
        lines.append(f"| {rows[0]['attribute']}, n = {rows[0]['num']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/baselines"))
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--ours", type=Path, help="weights of our film model, if it is trained already")
    parser.add_argument("--flops", type=float, help="of training, each; without it, those of our preset's steps")
    parser.add_argument("--image-share", type=float, default=0.6, help="of the inflated model's FLOPs for its images")
    parser.add_argument("--num", type=int, default=100, help="held-out prompts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tier", default="short")
    parser.add_argument("--steps", type=int, help="sampling steps, where not the tier's own")
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--oracle", type=Path, default=Path("weights/oracle"))
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    how = parser.parse_args()
    if how.ours and not how.flops:
        parser.error("--ours needs --flops: what taught those weights")
    folders, spent = contestants(how)
    cases = prompts.draw(how.num, how.seed)
    films = {name: film_all(opened(place), cases, how.out / "films" / name, how) for name, place in folders.items()}
    oracle = Oracle.from_pretrained(how.oracle)
    scores = {name: score(paths, cases, oracle) for name, paths in films.items()}
    (how.out / "scores.json").write_text(json.dumps({"flops": spent, "scores": scores}, indent=1) + "\n")
    say(table(scores, spent))
    say(f"rushes evaluate {' '.join(map(str, folders.values()))} --num {how.num} --html {how.out / 'compared.html'}")
    sides = " ".join(f"{name}={how.out / 'films' / name}" for name in films)
    say(f"rushes arena make {sides} --num {how.num} --seed {how.seed} -o {how.out / 'arena'} --judge oracle")


if __name__ == "__main__":
    main()
