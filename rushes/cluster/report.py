"""What a plan says, as lines for a terminal and as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from rushes import __version__
from rushes.cluster import charts, constants, failures, layout, plan, published
from rushes.cluster.layout import Step
from rushes.cluster.plan import Plan
from rushes.cluster.published import Row
from rushes.cluster.questions import Answer
from rushes.data.report.charts import number
from rushes.media.encode import replacing
from rushes.types import VideoShape

TEMPLATE = "page.html.jinja"
BAR = 0.2
PARTS = {
    "products": "matrix products",
    "attention": "attention",
    "memory": "passes over memory",
    "tensor": "tensor traffic",
    "context": "context traffic",
    "data": "gradients and weights",
    "optimizer": "optimizer",
    "bubble": "pipeline bubble",
    "encoding": "encoding films",
    "waiting": "waiting for the slowest",
}
FATES = {
    "useful_s": "work that lasted",
    "lost_s": "work done again",
    "paused_s": "checkpoints",
    "down_s": "down",
    "slow_s": "slow servers",
}


def money(usd: float) -> str:
    """Return dollars, short."""
    for unit, name in ((1e9, " bn"), (1e6, " M"), (1e4, " k")):
        if usd >= unit:
            return f"${usd / (1e3 if unit == 1e4 else unit):,.3g}{name}"
    return f"${usd:,.0f}"


def span(seconds: float) -> str:
    """Return a length of time in the unit that people would use."""
    for unit, name in ((2 * 86400.0, "days"), (5400.0, "h"), (90.0, "min")):
        if seconds >= unit:
            return f"{number(seconds / {'days': 86400.0, 'h': 3600.0, 'min': 60.0}[name])} {name}"
    return f"{number(seconds)} s" if seconds >= 0.1 else f"{number(1000 * seconds)} ms"


def size(num_bytes: float) -> str:
    """Return bytes in decimal units."""
    for unit, name in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB")):
        if num_bytes >= unit:
            return f"{number(num_bytes / unit)} {name}"
    return f"{number(num_bytes / 1e6)} MB"


def film(shape: VideoShape) -> str:
    """Return a shape as people say it: pixels, then frames."""
    return f"{shape.width}x{shape.height}, {shape.frames} frame{'s' * (shape.frames != 1)}"


def facts(made: Plan) -> list[tuple[str, str, str]]:
    """Return what matters most: (name, figure, what it means)."""
    ask, run, gpu = made.ask, made.run, made.gpu
    goodput = f"{made.expected.goodput:.1%}"
    seen = f"simulated {made.simulated.goodput:.1%}" if made.simulated else "closed form alone"
    stops = (made.simulated or made.expected).stops
    peak = "8-bit" if ask.precision == "fp8" else "bf16"
    wanted = f"{number(ask.days)} asked" if ask.days else f"{made.expected.goodput:.0%} of them work that lasts"
    return [
        ("time", span(made.days * 86400), wanted),
        ("accelerators", f"{ask.num_gpus:,}", gpu.title),
        (
            "cost",
            money(made.usd),
            f"${number(made.usd / made.gpu_hours)} an hour, {charts.short(made.gpu_hours)} hours",
        ),
        ("use of the peak", f"{made.mfu:.1%}", f"of {peak}, while it trains"),
        ("goodput", goodput, seen),
        ("stops", f"{stops:,}", f"one every {span(run.between_failures_s)}"),
        ("checkpoint", f"every {span(run.interval_s)}", f"{size(failures.CHECKPOINT_BYTES * ask.model.weights)} each"),
        ("power", f"{number(made.power_w / 1e6)} MW", "building and cooling included"),
        ("energy", f"{number(made.energy_mwh)} MWh", f"{number(made.energy_mwh / made.days)} a day"),
    ]


def text(made: Plan) -> str:
    """Return a plan as lines."""
    ask = made.ask
    lines = [
        f"{ask.model.title}: {charts.short(ask.model.weights)} weights; {charts.short(ask.clips)} clips, "
        f"{number(ask.epochs)} time{'s' * (ask.epochs != 1)}; {ask.precision}, {constants.STACKS[ask.stack].title}",
        "",
    ]
    lines += [f"  {name:16} {figure:>16}   {meaning}" for name, figure, meaning in facts(made)]
    for each in made.stages:
        used = layout.memory_bytes(each.job, each.layout)
        lines += [
            "",
            f"  {film(each.stage.shape)} ({each.stage.share:.0%} of samples, {each.job.tokens:,} tokens each)",
            f"    layout         {each.layout}",
            f"    memory         {size(used)} of {size(each.job.gpu.memory_bytes)} on the fullest device",
            f"    step           {span(each.step.seconds)} for {each.layout.batch:,} samples; "
            f"{each.num_steps:,} steps, {span(each.work_s)}",
            f"    rate           {each.teraflops:,.0f} TFLOP/s per device",
            f"    goes to        {_parts_text(each.step)}",
        ]
    if not ask.is_encoding:
        lines += [
            "",
            f"  latents          {size(made.latent_bytes)}; encoding them once takes "
            f"{charts.short(made.encoding_gpu_days)} GPU-days, not in the time above",
        ]
    return "\n".join(lines)


def _parts_text(step: Step) -> str:
    found = sorted(((getattr(step, name), title) for name, title in PARTS.items()), reverse=True)
    return ", ".join(f"{title} {share / step.seconds:.0%}" for share, title in found if share / step.seconds > 0.01)


def published_text(rows: Sequence[Row]) -> str:
    """Return the table of published runs as lines; a star marks what constants were fitted on."""
    lines = [f"  {'run':46} {'unit':20} {'reported':>9} {'predicted':>9} {'off':>6}"]
    for row in rows:
        star = "*" if row.is_fitted else " "
        lines.append(
            f"{star} {row.run:46} {row.unit:20} {number(row.reported):>9} {number(row.predicted):>9} {row.error:>+6.0%}"
        )
    good, num = published.summary(list(rows), BAR)
    lines += [
        "",
        f"{good} of {num} runs that nothing was fitted on lie within {BAR:.0%}. * was used to fit a constant.",
        *(f"  {row.run}: {row.note}" for row in rows if row.note),
    ]
    return "\n".join(lines)


def answer_text(answer: Answer) -> str:
    """Return an answer as lines: what is assumed, then one line per plan."""
    lines = [answer.question, "", "Assumed:", *(f"  - {each}" for each in answer.assumed), ""]
    head = ("number", "days", "GPU-hours", "cost", "energy", "of peak", "goodput")
    lines.append(f"  {'on':48}" + "".join(f"{name:>12}" for name in head))
    for name, made in answer.plans:
        figures = (
            f"{made.ask.num_gpus:,}",
            number(made.days),
            charts.short(made.gpu_hours),
            money(made.usd),
            f"{number(made.energy_mwh)} MWh",
            f"{made.mfu:.1%}",
            f"{made.expected.goodput:.1%}",
        )
        lines.append(f"  {name:48}" + "".join(f"{figure:>12}" for figure in figures))
    return "\n".join(lines)


def write(
    path: Path, *, made: Plan | None = None, answer: Answer | None = None, rows: Sequence[Row], force: bool = False
) -> None:
    """Write a page about a plan, an answer, or the published runs alone; it appears when it is whole."""
    shown = made or (answer.plans[0][1] if answer else None)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters.update(number=number, short=charts.short, money=money, span=span, size=size, film=film)
    good, num = published.summary(list(rows), BAR)
    html = environment.get_template(TEMPLATE).render(
        version=__version__,
        title=_title(made, answer),
        made=shown,
        is_answer=answer is not None,
        answer=answer,
        facts=facts(shown) if shown else [],
        stages=[_stage(each) for each in shown.stages] if shown else [],
        parts=list(PARTS.values()),
        fates=list(FATES.values()),
        fate=_fate(shown) if shown else None,
        plots=_plots(shown) if shown else [],
        published=rows,
        scatter=_scatter(rows),
        within=good,
        num_held=num,
        bar=BAR,
        assumed=_assumed(shown) if shown else [],
    )
    with replacing(path, force=force) as draft:
        draft.write_text(html, encoding="utf-8")


def _title(made: Plan | None, answer: Answer | None) -> str:
    if answer is not None:
        return answer.question
    if made is None:
        return "Published runs, predicted"
    return f"{made.ask.model.title}: {made.ask.num_gpus:,} x {made.gpu.title}"


def _stage(each: plan.StagePlan) -> dict[str, Any]:
    """Return what the page shows of a stage."""
    others = [
        (
            str(option),
            option.batch / step.seconds * each.step.seconds / each.layout.batch,
            layout.memory_bytes(each.job, option),
        )
        for option, step in each.others
    ]
    return {
        "plan": each,
        "memory": layout.memory_bytes(each.job, each.layout),
        "bar": charts.shares([(title, getattr(each.step, name)) for name, title in PARTS.items()]),
        "others": others,
    }


def _fate(made: Plan) -> Any:
    """Return the bar that says where the time on the clock goes."""
    outcome = made.simulated or made.expected
    return charts.shares([(title, getattr(outcome, name)) for name, title in FATES.items()])


def _plots(made: Plan) -> list[tuple[str, str, Any]]:
    """Return (heading, what to see in it, picture)."""
    around = plan.curve(made.ask)
    counts = [each.ask.num_gpus for each in around]
    here = float(made.ask.num_gpus)
    tries = [replace(made.run, interval_s=float(each)) for each in made.run.interval_s * np.geomspace(0.1, 10, 41)]
    wasted = [(each.interval_s, 100 * (1 - failures.expected(each).goodput)) for each in tries]
    mine = (made.run.interval_s, 100 * (1 - made.expected.goodput))
    beside = ("accelerators", "days")
    days = [(float(count), each.days) for count, each in zip(counts, around, strict=True)]
    cost = [(float(count), each.usd / 1e6) for count, each in zip(counts, around, strict=True)]
    checkpoints = charts.curve(
        wasted, marked=mine, labels=("seconds between checkpoints", "% of the time lost"), is_log=(True, False)
    )
    return [
        (
            "Time",
            "more of them wait for each other longer",
            charts.curve(days, marked=(here, made.days), labels=beside, is_log=(True, True)),
        ),
        (
            "Cost",
            "what more of them waste",
            charts.curve(
                cost, marked=(here, made.usd / 1e6), labels=("accelerators", "million $"), is_log=(True, False)
            ),
        ),
        ("Checkpoints", "too often they cost time, too seldom work is lost", checkpoints),
    ]


def _scatter(rows: Sequence[Row]) -> Any:
    """Return predicted against reported rates, the ones in TFLOP/s."""
    shown = [row for row in rows if row.unit == "TFLOP/s per GPU"]
    points = [(row.reported, row.predicted) for row in shown]
    labels = ("reported, TFLOP/s per GPU", "predicted")
    return charts.scatter(points, [row.is_fitted for row in shown], labels=labels, band=BAR)


def _assumed(made: Plan) -> list[tuple[str, str]]:
    """Return what the figures rest on: (what, how it is known)."""
    gpu, run = made.gpu, made.run
    failing_days = run.between_failures_s * made.ask.num_gpus / 86400
    told = "RSC-1's jobs of 8 A100, assumed alike" if made.ask.is_shared else "Llama 3, RSC-1; others assumed"
    products, attention = gpu.product_share * gpu.sustained, number(gpu.attention_flops / 1e12)
    like = "fitted on published runs" if gpu.sustained != 1.0 else "published micro-benchmarks, or assumed"
    drawn = f"{plan.DRAW:.0%} of {number(gpu.power_w)} W drawn, {number(gpu.host_w)} W of server around it"
    writing = f"a pause of {span(run.pause_s)} per checkpoint, which is whole after {span(max(run.write_s, 0.01))}"
    return [
        (f"{gpu.title} sustains {products:.0%} of its peak in products and {attention} TFLOP/s in attention", like),
        (f"one failure in {number(failing_days)} days of one accelerator", told),
        (f"{span(run.detect_s)} to notice a stop, {span(run.restart_s)} to start again", "assumed"),
        (f"{number(failures.CHECKPOINT_BYTES)} bytes a weight in a checkpoint", "measured here"),
        (
            f"{number(constants.OWN_PASSES)} passes over a token's activation in a layer, a tenth where fused",
            "measured here; Seaweed-7B's report",
        ),
        (writing, "assumed rates of host links and storage"),
        (f"{drawn}; cooling takes {plan.COOLING - 1:.0%} more", "data sheets; shares assumed"),
        (f"${number(gpu.hourly_usd)} an hour unless told otherwise", "about the median list price of May 2026"),
    ]
