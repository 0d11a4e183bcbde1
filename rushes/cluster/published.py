"""Runs that others published, as data: what is given, what they report, and what the same arithmetic predicts.

A row that `is_fitted` was used to set constants (`sustained` and attention of Hopper from three rows, product and
attention shares of the plain stack from two, failures of H100 and A100 from one each); every other row was predicted
with them as they were. Layouts are the papers' own where they tell them. Rows that miss stand beside those that hit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rushes.cluster import failures, hardware, layout, workload
from rushes.cluster.constants import STACKS
from rushes.cluster.layout import Job, Layout
from rushes.types import VideoShape

TERA = 1e12
DAY_S = 86400.0
LLAMA = "Llama 3, arXiv 2407.21783"
SORA = "Open-Sora 2.0, arXiv 2503.09642"
BRIDGE = "NVIDIA Megatron-Bridge, performance summary 25.11"
DFM = "NVIDIA NeMo DFM, performance summary"
TITAN = "torchtitan, performance pages"
SORA_TWICE = (8 + 38) / 57  # blocks that stages 1 and 2 compute again (appendix H.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A published figure and its prediction, both in `unit`; `note` says what is uncertain about the comparison."""

    run: str
    source: str
    unit: str
    reported: float
    predicted: float
    is_fitted: bool = False
    note: str = ""

    @property
    def error(self) -> float:
        """How far the prediction is off, as a share of what was reported."""
        return self.predicted / self.reported - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A run whose throughput was published: model, tokens of a sample, cluster, stack and layout as they were given."""

    model: str
    tokens: int
    gpu: str
    stack: str
    layout: Layout
    precision: str = "bf16"
    pixels: float = 0.0

    def job(self) -> Job:
        model, gpu, stack = workload.find(self.model), hardware.find(self.gpu), STACKS[self.stack]
        return Job(model=model, tokens=self.tokens, gpu=gpu, stack=stack, precision=self.precision, pixels=self.pixels)

    def seconds(self) -> float:
        """Return the predicted seconds of a step."""
        return layout.step(self.job(), self.layout).seconds

    def teraflops(self) -> float:
        """Return the predicted useful TFLOP/s of a device."""
        return layout.model_flops(self.job(), self.layout, self.seconds()) / TERA


def _llama(gpus: int, context: int) -> Case:
    """Table 4 of the paper; a micro-batch is one sequence, the pipeline is cut into single layers."""
    data = gpus // (8 * 16 * context)
    tokens = 8192 * (16 if context > 1 else 1)
    num_micro = 2**24 // tokens // data
    spread = Layout(data=data, tensor=8, context=context, pipeline=16, virtual=8, num_micro=num_micro)
    return Case(model="llama-405b", tokens=tokens, gpu="h100", stack="tuned", layout=spread)


def _wan(gpu: str, stack: str, spread: Layout) -> Case:
    return Case(model="wan-14b", tokens=37440, gpu=gpu, stack=stack, layout=spread)


def open_sora(frames: int, side: int, batch: int, *, gpus: int = 8, context: int = 1) -> Case:
    """Return a step of Open-Sora 2.0 on H200s: its plain stack, its autoencoder encoding on the way."""
    shape = VideoShape(frames=frames, height=side, width=side)
    spread = Layout(
        data=gpus // context, context=context, micro_batch=batch, recomputed=1.0 if context > 1 else SORA_TWICE
    )
    tokens = workload.sample_tokens(workload.find("open-sora-11b"), shape)
    pixels = float(frames * side * side)
    return Case(model="open-sora-11b", tokens=tokens, gpu="h200", stack="plain", layout=spread, pixels=pixels)


def _speed(run: str, source: str, reported: float, case: Case, *, is_fitted: bool = False, note: str = "") -> Row:
    return Row(
        run=run, source=source, unit="TFLOP/s per GPU", reported=reported, predicted=case.teraflops(),
        is_fitted=is_fitted, note=note,
    )  # fmt: skip


def _language_rows() -> list[Row]:
    sharded = Layout(data=64, recomputed=0.3, is_sharded=True)
    eight = Case(model="llama-8b", tokens=8192, gpu="a100", stack="plain", layout=sharded)
    seventy = Case(model="llama-70b", tokens=8192, gpu="a100", stack="plain", layout=replace(sharded, recomputed=1.0))
    hopper = replace(eight, gpu="h100", layout=replace(sharded, data=128, micro_batch=2))
    nemotron = Layout(data=64, tensor=8, pipeline=12, virtual=8, num_micro=36)
    per_token = {name: workload.find(name).flops(8192) / 8192 / TERA for name in ("llama-8b", "llama-70b")}
    return [
        _speed("Llama 3 405B, 8,192 H100", LLAMA, 430, _llama(8192, 1), is_fitted=True),
        _speed("Llama 3 405B, 16,384 H100", LLAMA, 400, _llama(16384, 1)),
        _speed("Llama 3 405B, 131k tokens, 16,384 H100", LLAMA, 380, _llama(16384, 16), is_fitted=True),
        Row(
            run="Nemotron-4 340B, 6,144 H100", source="arXiv 2406.11704, table 2", unit="s per step", reported=8.0,
            predicted=Case(model="nemotron-340b", tokens=4096, gpu="h100", stack="tuned", layout=nemotron).seconds(),
        ),
        _speed("Llama 3 8B, 64 A100, sharded", TITAN, 2904 * per_token["llama-8b"], eight, is_fitted=True),
        _speed("Llama 3 70B, 64 A100, sharded", TITAN, 331 * per_token["llama-70b"], seventy),
        _speed(
            "Llama 3 8B, 128 H100, sharded, eager", TITAN, 5605 * per_token["llama-8b"], hopper,
            note="their H100s were limited to 500 W and had slower memory",
        ),
    ]  # fmt: skip


def _eight_bit_rows() -> list[Row]:
    def case(model: str, gpu: str, spread: Layout) -> Case:
        return Case(model=model, tokens=8192, gpu=gpu, stack="tuned", layout=spread, precision="fp8")

    far = Layout(data=8, tensor=8, context=2, pipeline=8, virtual=8, num_micro=64)
    middle = Layout(data=2, tensor=4, pipeline=8, virtual=5, num_micro=64)
    rack = Layout(data=4, tensor=4, pipeline=16, virtual=4, num_micro=384)
    blackwell = Layout(data=2, tensor=4, context=2, pipeline=8, virtual=8, num_micro=32)
    return [
        _speed("Llama 3.1 405B, 1,024 H100, 8 bits", BRIDGE, 737, case("llama-405b", "h100", far)),
        _speed("Llama 3 70B, 64 H100, 8 bits", BRIDGE, 719, case("llama-70b", "h100", middle)),
        _speed("Llama 3.1 405B, 128 B200, 8 bits", BRIDGE, 1667, case("llama-405b", "b200", blackwell)),
        _speed("Llama 3.1 405B, 256 GB200, 8 bits", BRIDGE, 2053, case("llama-405b", "gb200", rack)),
    ]


def _video_rows() -> list[Row]:
    step_shape = VideoShape(frames=204, height=544, width=992)
    step = Case(
        model="step-video-30b", tokens=workload.sample_tokens(workload.find("step-video-30b"), step_shape),
        gpu="h800", stack="tuned", layout=Layout(data=32, tensor=8, num_micro=4, recomputed=0.3125),
    )  # fmt: skip
    wide = VideoShape(frames=121, height=480, width=640)
    seaweed = Case(
        model="seaweed-7b", tokens=workload.sample_tokens(workload.find("seaweed-7b"), wide), gpu="h100",
        stack="tuned", layout=Layout(data=256, context=4, num_micro=2, recomputed=0.25, is_sharded=True),
    )  # fmt: skip
    peak = hardware.find("h100").bf16_flops / TERA
    many = Layout(data=64, recomputed=1.0, is_sharded=True)
    three = Layout(data=16, tensor=2, context=4, num_micro=8, recomputed=0.2)
    return [
        _speed("Wan 2.1 14B, 128 H100", DFM, 325.77, _wan("h100", "tuned", three), is_fitted=True),
        _speed("Wan 2.1 14B, 32 GB200", DFM, 787.59, _wan("gb200", "tuned", Layout(data=8, context=4, num_micro=8))),
        _speed("Wan 2.1 14B, 64 H100, sharded", DFM, 228.85, _wan("h100", "plain", many), is_fitted=True),
        Row(
            run="Step-Video-T2V 30B, 540p, H800", source="arXiv 2502.10248, section 6.2", unit="% of peak", reported=32,
            predicted=100 * step.teraflops() / peak,
        ),
        Row(
            run="Seaweed-7B, H100", source="arXiv 2504.08685, section 3.4", unit="% of peak", reported=38,
            predicted=100 * seaweed.teraflops() / peak,
            note="the layout and the share computed twice are not published: 4-way context and a quarter assumed",
        ),
    ]  # fmt: skip


def _open_sora_rows() -> list[Row]:
    first, last = open_sora(33, 256, 12), open_sora(129, 256, 3)
    high = open_sora(129, 768, 2, context=4)

    def speed(run: str, case: Case, reported: float) -> Row:
        return Row(
            run=f"Open-Sora 2.0, {run}, 8 H200", source=f"{SORA}, tables 4 and 5", unit="videos/s", reported=reported,
            predicted=case.layout.batch / case.seconds(),
        )  # fmt: skip

    def days(run: str, case: Case, steps: int, gpus: int, reported: float, note: str = "") -> Row:
        whole = replace(case, layout=replace(case.layout, data=gpus // case.layout.context))
        gpu = hardware.find("h200")
        kept = failures.expected(failures.usual(gpu, gpus, whole.job().model.weights)).goodput
        spent = steps * whole.seconds() * gpus / DAY_S / kept
        return Row(
            run=f"Open-Sora 2.0, {run}", source=f"{SORA}, table 2", unit="GPU-days", reported=reported, predicted=spent,
            note=note,
        )  # fmt: skip

    stages = [
        days(
            "stage 1, 256 pixels",
            last,
            85_000,
            224,
            2240,
            "2,000 steps took 4 hours: 7.1 of the 10 days",
        ),
        days("stage 2, 256 pixels, I2V", last, 13_000, 192, 384, "steps took 1.8 times stage 1's, for no reason given"),
        days("stage 3, 768 pixels, I2V", high, 13_000, 192, 1536),
    ]
    whole = replace(last, layout=replace(last.layout, data=224))
    steps = Row(
        run="Open-Sora 2.0, stage 1, its steps alone", source=f"{SORA}'s configs/diffusion/train/stage1.py",
        unit="days", reported=85_000 / 2_000 * 4 / 24, predicted=85_000 * whole.seconds() / DAY_S,
        note="2,000 steps in 4 hours, as its settings note",
    )  # fmt: skip
    total = Row(
        run="Open-Sora 2.0, all stages", source=f"{SORA}, table 2", unit="GPU-days", reported=4160,
        predicted=sum(row.predicted for row in stages),
    )  # fmt: skip
    return [
        speed("33 frames of 256 pixels", first, 12.7),
        speed("129 frames of 256 pixels", last, 3.2),
        speed("129 frames of 768 pixels", high, 0.08),
        steps,
        *stages,
        total,
    ]


def _apart(gpu: str, count: int, *, is_shared: bool = False) -> float:
    """Return the seconds between failures of so many accelerators."""
    return failures.between_failures_s(hardware.find(gpu), count, is_shared=is_shared)


def _failure_rows() -> list[Row]:
    llama = failures.usual(hardware.find("h100"), 16384, 405e9)
    hours = 15.6e12 / 2**24 * _llama(16384, 1).seconds() * 16384 / 3600 / failures.expected(llama).goodput
    return [
        Row(
            run="Llama 3 405B, stops in 54 days", source=f"{LLAMA}, section 3.3.4", unit="stops", reported=419,
            predicted=54 * DAY_S / llama.between_failures_s, is_fitted=True,
        ),
        Row(
            run="RSC-1, 16,384 A100, between failures", source="arXiv 2410.21680, projection", unit="hours",
            reported=1.8, predicted=_apart("a100", 16384) / 3600, is_fitted=True,
        ),
        Row(
            run="RSC-1, jobs of 1,024 A100", source="arXiv 2410.21680, measured", unit="hours", reported=7.9,
            predicted=_apart("a100", 1024, is_shared=True) / 3600,
            note="from its jobs of 8, which stop every 47.7 days; by servers' failures alone it were 28.8",
        ),
        Row(
            run="BLOOM 176B, 384 A100", source="arXiv 2211.05100", unit="failures a week", reported=2,
            predicted=7 * DAY_S / _apart("a100", 384), note="1 to 2 a week reported; compared with the nearer end",
        ),
        Row(
            run="Llama 3.1 405B, whole training", source="model card", unit="million H100 hours", reported=30.84,
            predicted=hours / 1e6, note="15.6 T tokens, all of them at the last configuration",
        ),
    ]  # fmt: skip


def rows() -> list[Row]:
    """Return every published figure with its prediction."""
    return [*_language_rows(), *_eight_bit_rows(), *_video_rows(), *_open_sora_rows(), *_failure_rows()]


def summary(found: list[Row], bar: float = 0.2) -> tuple[int, int]:
    """Return how many held-out rows lie within `bar` of what was reported, and how many there are."""
    held = [row for row in found if not row.is_fitted]
    return sum(abs(row.error) <= bar for row in held), len(held)
