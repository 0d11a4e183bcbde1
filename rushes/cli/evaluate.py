"""Score weights on held-out prompts: `rushes evaluate --num 300`."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rushes.errors import InputError

if TYPE_CHECKING:
    from rich.progress import TaskID

    from rushes.evaluate.compare import Model
    from rushes.evaluate.films import Effort

WEIGHTS = Path(__file__).parents[2] / "weights"
TIERS = "short,feature,flipbook"
LINES = 20  # per part of the work, where there is no terminal to draw a bar on


@click.command("evaluate")
@click.argument("weights", nargs=-1, type=click.Path(path_type=Path))
@click.option("--num", default=300, show_default=True, help="How many held-out prompts per tier.")
@click.option(
    "--exams",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How many prompts for physics, two subjects and drift each.",
)
@click.option(
    "--minutes",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="How many films of a minute, read at both ends.",
)
@click.option("--tiers", default=TIERS, show_default=True, help="Which tiers, separated by commas.")
@click.option("--seed", default=0, show_default=True, help="The same seed asks the same prompts.")
@click.option("--num-reconstructed", default=24, show_default=True, help="How many films the autoencoder repaints.")
@click.option("--steps", type=int, default=None, help="Sampling steps, where not the tier's own.")
@click.option("--guidance", type=float, default=None, help="Guidance scale, where not the tier's own.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write everything as JSON.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write the table as Markdown.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page of scores and films, side by side.")
@click.option(
    "--shown", type=click.IntRange(min=1), default=12, show_default=True, help="How many films of each on the page."
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default=Path("runs/evaluate"),
    show_default=True,
    help="Where latents and answers are kept, so that an interrupted run goes on; 'none' keeps none.",
)
@click.option("--votes", multiple=True, metavar="FOLDER|SET", help="Also show whom votes prefer; may be repeated.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--dtype", default="auto", show_default=True, help="auto, float32 or bfloat16: of the film model.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def command(
    weights: tuple[Path, ...],
    num: int,
    exams: int,
    minutes: int,
    tiers: str,
    seed: int,
    num_reconstructed: int,
    steps: int | None,
    guidance: float | None,
    json_path: Path | None,
    markdown: Path | None,
    html: Path | None,
    shown: int,
    cache: Path,
    votes: tuple[str, ...],
    device: str,
    dtype: str,
    force: bool,
) -> None:
    """Print how well weights do what held-out prompts say, by the reading of the oracle.

    WEIGHTS are folders, the shipped one if none is named, a baseline's likewise; a page (--html) shows several side
    by side.
    """
    for path in (json_path, markdown, html):
        if path is not None:
            _check_target(path, force)
    _needs_skia()
    from rushes.evaluate import compare
    from rushes.evaluate.run import Plan, evaluate
    from rushes.train import baselines

    preferred = _preferred(votes)
    ask = Plan(
        weights=WEIGHTS,
        num=num,
        num_exam=exams,
        num_minutes=minutes,
        num_reconstructed=num_reconstructed,
        tiers=tuple(name.strip() for name in tiers.split(",")),
        seed=seed,
        effort=_effort(steps, guidance),
        cache=None if str(cache) == "none" else cache,
        device=device,
        dtype=dtype,
        load=baselines.opened,
    )
    models = []
    for name, folder in _named(weights or (WEIGHTS,)).items():
        plan = dataclasses.replace(ask, weights=folder)
        with _Progress() as progress:
            report = evaluate(plan, progress.watch) | preferred
            films = compare.films(plan, shown, progress.watch) if html else []
        models.append(compare.Model(name=name, report=report, films=films))
        _say(name, report)
    for path, text in _texts(models, (json_path, markdown, html)):
        _write(path, text, force)


def _texts(models: list[Model], paths: tuple[Path | None, Path | None, Path | None]) -> Iterator[tuple[Path, str]]:
    """Yield the JSON, the Markdown and the page that were asked for, each with where it goes."""
    from rushes.evaluate import compare
    from rushes.evaluate import report as reports

    json_path, markdown, html = paths
    tables = {model.name: reports.lines(model.report) for model in models}
    if json_path is not None:
        values = {model.name: {**model.report, "table": reports.as_values(tables[model.name])} for model in models}
        whole = values if len(models) > 1 else next(iter(values.values()))
        yield json_path, json.dumps(whole, indent=1) + "\n"
    if markdown is not None:
        parts = [reports.as_markdown(tables[model.name], model.report) for model in models]
        heads = [f"## {model.name}\n\n" if len(models) > 1 else "" for model in models]
        yield markdown, "\n".join(head + part for head, part in zip(heads, parts, strict=True))
    if html is not None:
        yield html, compare.as_html(models)


def _named(folders: tuple[Path, ...]) -> dict[str, Path]:
    """Return folders by the shortest names that tell them apart: their own, or else as they were given."""
    names = {folder.resolve().name for folder in folders}
    return {folder.resolve().name if len(names) == len(folders) else str(folder): folder for folder in folders}


def _say(name: str, report: dict[str, Any]) -> None:
    from rushes.evaluate import report as reports

    click.echo(reports.as_text(reports.lines(report)))
    spent = ", ".join(f"{tier} {seconds:.1f} s" for tier, seconds in report["seconds_per_prompt"].items())
    click.echo(f"{name}: {report['seconds']:.0f} s; per prompt, with its real films: {spent}", err=True)


def _preferred(votes: tuple[str, ...]) -> dict[str, Any]:
    """Return what votes say, by who judged, as a part of the report; nothing where none are named."""
    if not votes:
        return {}
    from rushes.evaluate import pairs, preference

    judged = pairs.by_judge(pairs.opened(votes))
    said = {judge: preference.summary([each.vote for each in some]) for judge, some in judged.items()}
    return {"preference": said}


def _effort(steps: int | None, guidance: float | None) -> Effort:
    from rushes.evaluate.films import Effort

    if steps is not None and not 1 <= steps <= 1000:
        raise InputError(f"--steps {steps} is illegal; the nearest legal value is {1 if steps < 1 else 1000}")
    return Effort(num_steps=steps, guidance_scale=guidance)


def _needs_skia() -> None:
    try:
        import skia  # noqa: F401
    except ImportError as error:
        raise InputError(f"prompts are scenes that skia-python draws ({error}); pip install 'rushes[train]'") from None


def _check_target(path: Path, force: bool) -> None:
    """Refuse at once what could not be written at the end."""
    if path.exists() and not force:
        raise InputError(f"{path} exists; use --force to replace it")
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"cannot write {path}: {'it is a folder' if path.is_dir() else f'no folder {path.parent}'}")


def _write(path: Path, text: str, force: bool) -> None:
    from rushes.media.encode import replacing

    with replacing(path, force=force) as draft:
        draft.write_text(text, encoding="utf-8")
    click.echo(str(path), err=True)


class _Progress:
    """On standard error: a bar per part of the work with the time left; lines now and then where it is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(
            *columns, TextColumn("left"), TimeLeft(), console=console, disable=not console.is_terminal
        )
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, float] = {}

    def __enter__(self) -> _Progress:
        self._bars.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._bars.stop()

    def watch(self, what: str, done: int, num: int) -> None:
        """Show that `done` of `num` films are scored; the first film of a part sets its clock going."""
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=num)
            self._begun[what] = time.monotonic()
        self._bars.update(self._tasks[what], completed=done)
        if self._bars.disable and (done == num or done * LINES // num != (done - 1) * LINES // num):
            each_s = (time.monotonic() - self._begun[what]) / max(1, done - 1)
            minutes, seconds = divmod(round(each_s * (num - done)), 60)
            left = f", left {minutes}:{seconds:02d}" if done > 1 else ""
            click.echo(f"{what}: {done} of {num}{left}", err=True)
