"""Plan a training run on 1 to 200,000 accelerators: `rushes plan --model wan-14b --clips 100M --gpus 1024`."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rushes.errors import InputError, nearest_first

if TYPE_CHECKING:
    from rushes.cluster.plan import Ask, Stage
    from rushes.cluster.workload import Model

UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9}
STAGE = re.compile(r"(\d+)x(\d+)(?:x(\d+(?:\.\d+)?))?(?::(\d+(?:\.\d+)?)%?)?")


@click.command("plan")
@click.option("--model", default=None, help="A model by name; 'list' names them all.")
@click.option("--weights", type=float, help="Instead: billions of weights of a plain video transformer,")
@click.option("--width", type=click.IntRange(min=64), help="its width")
@click.option("--depth", type=click.IntRange(min=1), help="and its number of layers.")
@click.option("--clips", default="100M", show_default=True, help="How many clips: 600M, 1.5B, 20k.")
@click.option("--epochs", default=1.0, show_default=True, help="How often each clip is seen.")
@click.option("--seconds", default=10.0, show_default=True, help="How long a clip is.")
@click.option("--fps", default=24.0, show_default=True, help="Its frames per second.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    default=("1280x720",),
    show_default=True,
    help="Its pixels. Repeat for stages, with seconds and share: 448x256x2:70% 1280x720x10:30%.",
)
@click.option("--gpus", type=int, default=1024, show_default=True, help="How many accelerators, 1 to 200,000.")
@click.option("--gpu", default="h100", show_default=True, help="Which; 'list' names them all.")
@click.option("--days", type=float, help="Find the fewest accelerators that end within so many days.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=2048, show_default=True, help="About how many samples a step."
)
@click.option("--precision", default="bf16", show_default=True, help="bf16 or fp8: of matrix products.")
@click.option("--stack", default="tuned", show_default=True, help="tuned or plain: how good the training code is.")
@click.option("--price", type=float, help="Dollars an hour of one accelerator.")
@click.option("--encode", is_flag=True, help="Films are encoded in every step, not once before.")
@click.option("--down", default=600.0, show_default=True, help="Seconds from a stop until it works again.")
@click.option("--shared", is_flag=True, help="The cluster is shared by many users, whose jobs stop more often.")
@click.option("--sync", is_flag=True, help="Training waits until a checkpoint is written.")
@click.option("--seed", default=0, show_default=True, help="Of the simulated failures.")
@click.option("--published", is_flag=True, help="Show instead what the arithmetic says of runs that others published.")
@click.option("--question", help="Answer instead a question that somebody asked: hotshot.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Also write a page with plots.")
@click.option("--force", is_flag=True, help="Overwrite the page that is there.")
def command(
    model: str | None,
    weights: float | None,
    width: int | None,
    depth: int | None,
    clips: str,
    epochs: float,
    seconds: float,
    fps: float,
    sizes: tuple[str, ...],
    gpus: int,
    gpu: str,
    days: float | None,
    batch: int,
    precision: str,
    stack: str,
    price: float | None,
    encode: bool,
    down: float,
    shared: bool,
    sync: bool,
    seed: int,
    published: bool,
    question: str | None,
    as_json: bool,
    page: Path | None,
    force: bool,
) -> None:
    """Predict what training a video model takes: layout, step time, memory, failures, days, power, energy, money.

    Nothing is run: it is arithmetic and a simulation of failures, with constants that were measured here or fitted on
    published runs (--published says how well it does on the others).
    """
    if page is not None:
        _check_page(page, force)
    if "list" in (model, gpu):
        click.echo(_listed("model" if model == "list" else "gpu"))
    elif published:
        _show_published(as_json, page, force)
    elif question is not None:
        _show_answer(question, as_json, page, force)
    else:
        from rushes.cluster.plan import Ask

        ask = Ask(
            model=_model(model, weights, width, depth), stages=_stages(sizes, seconds, fps), clips=_count(clips),
            gpu=gpu, num_gpus=gpus, epochs=epochs, batch=batch, precision=precision, stack=stack, days=days,
            hourly_usd=price, is_encoding=encode, down_s=down, is_async=not sync, is_shared=shared, seed=seed,
        )  # fmt: skip
        _show_plan(ask, as_json, page, force)


def _show_plan(ask: Ask, as_json: bool, page: Path | None, force: bool) -> None:
    from rushes.cluster import hardware, plan, report
    from rushes.cluster import published as runs

    if ask.days is None:
        made = plan.plan(ask)
    else:
        if not ask.days > 0:
            raise InputError(f"--days {ask.days:g} is illegal; it must be above 0")
        found = plan.fewest(ask, ask.days)
        if found is None:
            raise InputError(
                f"no number of {hardware.find(ask.gpu).title} up to {plan.MOST_GPUS:,} ends within {ask.days:g} days; "
                "see fewer clips, smaller films, or allow a larger --batch"
            )
        made = found
    click.echo(json.dumps(plan.as_values(made), indent=1) if as_json else report.text(made))
    if page is not None:
        report.write(page, made=made, rows=runs.rows(), force=force)
        click.echo(str(page), err=True)


def _show_published(as_json: bool, page: Path | None, force: bool) -> None:
    import dataclasses

    from rushes.cluster import published as runs
    from rushes.cluster import report

    rows = runs.rows()
    values = [{**dataclasses.asdict(row), "error": row.error} for row in rows]
    click.echo(json.dumps(values, indent=1) if as_json else report.published_text(rows))
    if page is not None:
        report.write(page, rows=rows, force=force)
        click.echo(str(page), err=True)


def _show_answer(name: str, as_json: bool, page: Path | None, force: bool) -> None:
    from rushes.cluster import plan, questions, report
    from rushes.cluster import published as runs

    answer = questions.ask(name)
    if as_json:
        plans = {title: plan.as_values(made) for title, made in answer.plans}
        click.echo(json.dumps({"question": answer.question, "assumed": answer.assumed, "plans": plans}, indent=1))
    else:
        click.echo(report.answer_text(answer))
    if page is not None:
        report.write(page, answer=answer, rows=runs.rows(), force=force)
        click.echo(str(page), err=True)


def _listed(what: str) -> str:
    from rushes.cluster import hardware, workload

    if what == "model":
        return "\n".join(f"{name:16} {each.title}" for name, each in workload.MODELS.items())
    return "\n".join(
        f"{name:10} {each.title:18} {each.bf16_flops / 1e12:6,.0f} TFLOP/s bf16, ${each.hourly_usd:.2f} an hour"
        for name, each in hardware.GPUS.items()
    )


def _model(name: str | None, weights: float | None, width: int | None, depth: int | None) -> Model:
    from rushes.cluster import workload

    own = {"--weights": weights, "--width": width, "--depth": depth}
    if name is not None:
        given = [option for option, value in own.items() if value is not None]
        if given:
            raise InputError(f"--model {name} already says what {', '.join(given)} would; give one or the other")
        return workload.find(name)
    missing = [option for option, value in own.items() if value is None]
    if missing:
        known = nearest_first("", workload.MODELS)
        raise InputError(
            f"name a model (--model {known}) or give --weights, --width and --depth ({missing[0]} is missing)"
        )
    assert weights is not None and width is not None and depth is not None
    return workload.own(weights, width, depth)


def _stages(sizes: tuple[str, ...], seconds: float, fps: float) -> tuple[Stage, ...]:
    """Read 1280x720, or 448x256x2:70% per stage: pixels, seconds, share of the samples."""
    from rushes.cluster.plan import Stage
    from rushes.types import VideoShape

    if not (math.isfinite(fps) and fps > 0 and math.isfinite(seconds) and seconds >= 0):
        raise InputError(f"{seconds:g} seconds at {fps:g} frames a second is no film; seconds may be 0 for a still")
    found = []
    for text in sizes:
        match = STAGE.fullmatch(text.strip())
        if match is None:
            raise InputError(f"--size {text!r} is no size; legal: 1280x720, or 448x256x2:70% for a stage of many")
        wide, high, own_s, share = match.groups()
        frames = round((float(own_s) if own_s else seconds) * fps) + 1
        part = float(share) / 100 if share else 1.0 / len(sizes)
        found.append(Stage(shape=VideoShape(frames=frames, height=int(high), width=int(wide)), share=part))
    return tuple(found)


def _count(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kMB]?)", text.strip().replace(",", ""))
    if match is None:
        raise InputError(f"--clips {text!r} is no number; legal: 600M, 1.5B, 20k, 5000")
    return float(match[1]) * UNITS[match[2]]


def _check_page(path: Path, force: bool) -> None:
    """Refuse at once what could not be written at the end."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a page is an .html file; the nearest legal name is {path.with_name(path.name + '.html')}")
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"cannot write {path}: {'it is a folder' if path.is_dir() else f'no folder {path.parent}'}")
    if path.exists() and not force:
        raise InputError(f"{path} exists; use --force to replace it")
