"""A run on paper: a model, films and a cluster become a layout, days, failures, power, energy and money."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from rushes.cluster import failures, hardware, layout, search, workload
from rushes.cluster.constants import ENCODER_FLOPS, ENCODER_PIXELS, STACKS
from rushes.cluster.failures import Outcome, Run
from rushes.cluster.layout import Job, Layout, Step
from rushes.cluster.workload import Model
from rushes.errors import InputError, nearest_first
from rushes.types import VideoShape

MOST_GPUS = 200_000
DRAW = 0.9  # of a data-sheet power that training draws; assumed
COOLING = 1.2  # a building draws so many times what its servers do; assumed
LATENT_BYTES = 16 * 4 * 2  # of one token's latent: 16 channels, 2x2 cells, two bytes each
MOST_SIMULATED = 50_000  # stops; with more, the closed form is as good
DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Films of one shape, and which share of all samples they are."""

    shape: VideoShape
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a run is asked to do. `batch` samples a step; `clips` are seen `epochs` times; `hourly_usd` None is usual.

    `is_encoding` has the autoencoder run in every step instead of once before. A stop takes `down_s`; `is_async`
    checkpoints are written while training goes on. `is_shared`: in a cluster of many users, where jobs stop more often.
    """

    model: Model
    stages: tuple[Stage, ...]
    clips: float
    gpu: str = "h100"
    num_gpus: int = 1024
    epochs: float = 1.0
    batch: int = 2048
    precision: str = "bf16"
    stack: str = "tuned"
    days: float | None = None
    hourly_usd: float | None = None
    is_encoding: bool = False
    down_s: float = failures.DOWN_S
    is_async: bool = True
    is_shared: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.num_gpus <= MOST_GPUS:
            nearest = 1 if self.num_gpus < 1 else MOST_GPUS
            raise InputError(f"{self.num_gpus:,} accelerators cannot be planned; the nearest legal is {nearest:,}")
        for name in ("clips", "epochs", "batch", "down_s"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name):g}; it must be above 0")
        if self.stack not in STACKS:
            raise InputError(f"there is no stack {self.stack!r}; known: {nearest_first(self.stack, STACKS)}")
        if not self.stages or abs(sum(stage.share for stage in self.stages) - 1) > 1e-6:
            total = sum(stage.share for stage in self.stages)
            raise InputError(f"the shares of the stages add up to {total:.0%}; they must add up to 100%")

    def job(self, stage: Stage) -> Job:
        """Return what every step of a stage does."""
        shape = stage.shape
        pixels = float(shape.frames * shape.height * shape.width) if self.is_encoding else 0.0
        return Job(
            model=self.model, tokens=workload.sample_tokens(self.model, shape), gpu=hardware.find(self.gpu),
            stack=STACKS[self.stack], precision=self.precision, pixels=pixels,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One stage: the layout chosen, where a step's time goes, the runners-up."""

    stage: Stage
    job: Job
    layout: Layout
    step: Step
    others: list[tuple[Layout, Step]] = field(default_factory=list)
    num_steps: int = 0

    @property
    def work_s(self) -> float:
        return self.num_steps * self.step.seconds

    @property
    def teraflops(self) -> float:
        """The useful TFLOP/s of a device that works."""
        return layout.model_flops(self.job, self.layout, self.step.seconds) / 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer: stages, failures as expected and as simulated, and what it all takes."""

    ask: Ask
    stages: list[StagePlan]
    run: Run
    expected: Outcome
    simulated: Outcome | None
    flops: float

    @property
    def gpu(self) -> hardware.Gpu:
        return hardware.find(self.ask.gpu)

    @property
    def days(self) -> float:
        """Days on the clock, stops and all."""
        return sum(stage.work_s for stage in self.stages) / DAY_S / self.expected.goodput

    @property
    def mfu(self) -> float:
        """Useful FLOPs as a share of the peak, while it trains, of all devices paid for."""
        seconds = sum(stage.work_s for stage in self.stages)
        peak = self.gpu.bf16_flops if self.ask.precision == "bf16" else self.gpu.fp8_flops
        return self.flops / seconds / self.ask.num_gpus / peak

    @property
    def power_w(self) -> float:
        return self.ask.num_gpus * (self.gpu.power_w * DRAW + self.gpu.host_w) * COOLING

    @property
    def energy_mwh(self) -> float:
        return self.power_w * self.days * 24 / 1e6

    @property
    def gpu_hours(self) -> float:
        return self.ask.num_gpus * self.days * 24

    @property
    def usd(self) -> float:
        price = self.gpu.hourly_usd if self.ask.hourly_usd is None else self.ask.hourly_usd
        return self.gpu_hours * price

    @property
    def encoding_gpu_days(self) -> float:
        """GPU-days of turning every clip of every stage into latents once, where steps do not do it."""
        if self.ask.is_encoding:
            return 0.0
        rate = ENCODER_PIXELS * self.gpu.bf16_flops / ENCODER_FLOPS
        shapes = ((each.stage.shape, each.stage.share) for each in self.stages)
        pixels = sum(share * shape.frames * shape.height * shape.width for shape, share in shapes)
        return self.ask.clips * pixels / rate / DAY_S

    @property
    def latent_bytes(self) -> float:
        """What the latents of all clips take on disk."""
        return sum(self.ask.clips * each.stage.share * each.job.tokens * LATENT_BYTES for each in self.stages)


def plan(ask: Ask, *, is_simulated: bool = True) -> Plan:
    """Return the plan of a run; its failures are simulated too unless the closed form is enough.

    Raises:
        InputError: the model does not fit, or the run would fail faster than it starts.
    """
    stages = [_stage(ask, stage) for stage in ask.stages]
    gpu = hardware.find(ask.gpu)
    run = failures.usual(
        gpu, ask.num_gpus, ask.model.weights, down_s=ask.down_s, is_async=ask.is_async, is_shared=ask.is_shared
    )
    work_s = sum(stage.work_s for stage in stages)
    expected = failures.expected(run, work_s)
    if math.isinf(expected.wall_s):
        raise InputError(
            f"{ask.num_gpus:,} x {gpu.title} fail every {run.between_failures_s:.0f} s, faster than "
            "a run comes back; plan fewer"
        )
    is_simulated &= expected.stops <= MOST_SIMULATED
    simulated = failures.simulate(run, work_s, seed=ask.seed) if is_simulated else None
    samples = ask.clips * ask.epochs
    flops = sum(samples * each.stage.share * ask.model.flops(each.job.tokens) for each in stages)
    return Plan(ask=ask, stages=stages, run=run, expected=expected, simulated=simulated, flops=flops)


def _stage(ask: Ask, stage: Stage) -> StagePlan:
    job = ask.job(stage)
    pairs = search.ranked(job, ask.num_gpus, ask.batch)
    best, step = pairs[0]
    steps = max(1, math.ceil(ask.clips * ask.epochs * stage.share / best.batch))
    others = search.best_of_kind(pairs)
    return StagePlan(stage=stage, job=job, layout=best, step=step, others=others, num_steps=steps)


def curve(ask: Ask) -> list[Plan]:
    """Return plans for numbers of accelerators around the one asked for, each twice the one before, those that work."""
    found = []
    for power in range(-4, 5):
        count = round(ask.num_gpus * 2.0**power)
        if 1 <= count <= MOST_GPUS:
            try:
                found.append(plan(replace(ask, num_gpus=count), is_simulated=False))
            except InputError:
                continue  # too few to hold the model, or too many to stay up: no point of the curve
    return found


def fewest(ask: Ask, days: float) -> Plan | None:
    """Return the plan with the fewest servers, to about a hundredth, that ends within `days`; None if none does."""
    node = hardware.find(ask.gpu).node

    def at(servers: int) -> Plan | None:
        try:
            made = plan(replace(ask, num_gpus=min(MOST_GPUS, servers * node)), is_simulated=False)
        except InputError:
            return None  # too few to hold the model, or too many to stay up
        return made if made.days <= days else None

    most = MOST_GPUS // node
    flops = sum(ask.clips * ask.epochs * each.share * ask.model.flops(ask.job(each).tokens) for each in ask.stages)
    low = int(flops / (days * DAY_S) / hardware.find(ask.gpu).product_flops(ask.precision) / node)  # too few by far
    low, high = min(low, most - 1), min(low + 1, most)
    while (best := at(high)) is None:
        if high == most:
            return None
        low, high = high, min(most, 2 * high)
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        found = at(middle)
        low, high, best = (middle, high, best) if found is None else (low, middle, found)
    return plan(best.ask)


def as_values(made: Plan) -> dict[str, Any]:
    """Return a plan as plain values for JSON; the page and the terminal show the same figures."""
    ask, run = made.ask, made.run
    outcome = made.simulated or made.expected
    return {
        "model": ask.model.title,
        "weights": ask.model.weights,
        "accelerator": made.gpu.title,
        "accelerators": ask.num_gpus,
        "clips": ask.clips,
        "epochs": ask.epochs,
        "precision": ask.precision,
        "stack": ask.stack,
        "stages": [_stage_values(each) for each in made.stages],
        "useful_flops": made.flops,
        "mfu": made.mfu,
        "between_failures_h": run.between_failures_s / 3600,
        "checkpoint_interval_s": run.interval_s,
        "checkpoint_pause_s": run.pause_s,
        "checkpoint_bytes": failures.CHECKPOINT_BYTES * ask.model.weights,
        "failures": outcome.stops,
        "goodput": made.expected.goodput,
        "goodput_simulated": made.simulated.goodput if made.simulated else None,
        "days": made.days,
        "days_asked": ask.days,
        "gpu_hours": made.gpu_hours,
        "power_mw": made.power_w / 1e6,
        "energy_mwh": made.energy_mwh,
        "usd": made.usd,
        "encoding_gpu_days": made.encoding_gpu_days,
        "latent_bytes": made.latent_bytes,
    }


def _stage_values(each: StagePlan) -> dict[str, Any]:
    parts = {name: getattr(each.step, name) for name in Step.__slots__}
    return {
        "shape": str(each.stage.shape),
        "share": each.stage.share,
        "tokens": each.job.tokens,
        "layout": str(each.layout),
        "replicas": each.layout.data,
        "tensor": each.layout.tensor,
        "context": each.layout.context,
        "pipeline": each.layout.pipeline,
        "micro_batch": each.layout.micro_batch,
        "is_sharded": each.layout.is_sharded,
        "recomputed": each.layout.recomputed,
        "batch": each.layout.batch,
        "memory_bytes": layout.memory_bytes(each.job, each.layout),
        "step_s": each.step.seconds,
        "step_parts_s": parts,
        "steps": each.num_steps,
        "teraflops_per_gpu": each.teraflops,
        "days_of_work": each.work_s / DAY_S,
    }
