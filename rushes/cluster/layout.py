"""How a model lies on a cluster, whether it fits, and how long a step takes: arithmetic, no search.

A device's step is its products, attention and passes over memory, what traffic cannot hide behind them, the bubble of
the pipeline, and the wait for the slowest. `data` counts replicas; a replica is `tensor x context x pipeline` devices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from rushes.cluster.constants import (
    ENCODER_FLOPS,
    ENCODER_PIXELS,
    JITTER,
    LINK_SHARE,
    MEMORY_SHARE,
    Stack,
)
from rushes.cluster.hardware import Gpu
from rushes.cluster.workload import BACKWARD, Model

NUMBER = 2  # bytes of an activation or a weight while computing
GRADIENT = 4  # bytes of a summed gradient
STATE = 12  # bytes of master weight and Adam's two moments
TENSOR_COLLECTIVES = 10  # gathers and scatters of the activation in a block: 4 forward, 6 backward
LIVE = 34  # activations of a block kept for its backward pass, in widths of a token (arXiv 2205.05198, equation 4)
KEPT = 1  # the same where the block is computed again: its input
HEAD = 128  # the width of a head in all models of today
RESERVED = 0.9  # of a device's memory that may be planned; the rest is fragments, buffers and the runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How many devices share what; `virtual` pieces of the pipeline a device, `recomputed` share of blocks done twice.

    `is_sharded` spreads weights and gradients over the replicas too (FSDP), not the optimizer's state alone (ZeRO-1).
    """

    data: int
    tensor: int = 1
    context: int = 1
    pipeline: int = 1
    virtual: int = 1
    micro_batch: int = 1
    num_micro: int = 1
    recomputed: float = 0.0
    is_sharded: bool = False

    @property
    def devices(self) -> int:
        return self.data * self.tensor * self.context * self.pipeline

    @property
    def batch(self) -> int:
        """How many samples a step takes."""
        return self.data * self.micro_batch * self.num_micro

    def __str__(self) -> str:
        parts = [f"{self.data} {'sharded ' if self.is_sharded else ''}replica{'s' * (self.data > 1)}"]
        sizes = (("tensor", self.tensor), ("context", self.context), ("pipeline", self.pipeline))
        parts += [f"{name} {size}" for name, size in sizes if size > 1]
        parts += [f"{self.recomputed:.0%} of blocks computed twice"] if self.recomputed else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What every step does: samples of `tokens`, in `bf16` or `fp8`; `pixels` of a sample are encoded on the way."""

    model: Model
    tokens: int
    gpu: Gpu
    stack: Stack
    precision: str = "bf16"
    pixels: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where the seconds of one step go."""

    products: float
    attention: float
    memory: float
    tensor: float
    context: float
    data: float
    optimizer: float
    bubble: float
    encoding: float
    waiting: float

    @property
    def seconds(self) -> float:
        return sum(getattr(self, field.name) for field in fields(self))


def memory_bytes(job: Job, layout: Layout) -> float:
    """Return what the fullest device holds: weights, gradients, optimizer state, activations."""
    model, held = job.model, job.model.weights / (layout.tensor * layout.pipeline)
    spread = layout.data * layout.context  # context's devices hold the same weights, so they share state as well
    whole = held / spread if layout.is_sharded else held
    gathered = 2 * held / model.layers * layout.pipeline * NUMBER if layout.is_sharded else 0.0
    fixed = whole * (NUMBER + GRADIENT) + held / spread * STATE + gathered
    token = model.width * NUMBER * job.tokens * layout.micro_batch / (layout.tensor * layout.context)
    blocks = model.layers / layout.pipeline
    in_flight = min(layout.pipeline, layout.num_micro)
    kept = token * blocks * in_flight * (layout.recomputed * KEPT + (1 - layout.recomputed) * LIVE / NUMBER)
    working = token * LIVE / NUMBER * (layout.recomputed > 0)
    return fixed + kept + working


def fits(job: Job, layout: Layout) -> bool:
    """Return whether the fullest device has room."""
    return memory_bytes(job, layout) <= RESERVED * job.gpu.memory_bytes


def step(job: Job, layout: Layout) -> Step:
    """Return where the time of one step goes."""
    model, gpu, stack = job.model, job.gpu, job.stack
    spread = layout.tensor * layout.context * layout.pipeline
    samples = layout.micro_batch * layout.num_micro
    again = (BACKWARD + layout.recomputed) / BACKWARD
    side = min(model.width, model.per_layer / model.width / 4) / layout.tensor
    rate = gpu.product_flops(job.precision) * stack.product_share * side / (side + stack.half_side)
    products = samples * BACKWARD * model.product_flops(job.tokens) * again / spread / rate
    attention = samples * BACKWARD * model.attention_flops(job.tokens) * again / spread
    attention /= gpu.attention_flops * stack.attention_share
    activation = samples * job.tokens * model.layers * model.width * NUMBER / spread  # bytes through a device's blocks
    memory = activation * stack.passes * again / (gpu.memory_rate * MEMORY_SHARE)
    tensor = _tensor(layout, activation, gpu) * again * stack.bare_tensor
    context = _context(job, layout, activation) * again * stack.bare_context
    computing = products + attention + memory
    data = _data(job, layout, computing) if layout.data * layout.context > 1 else 0.0
    optimizer = model.weights / (layout.tensor * layout.pipeline * layout.data * layout.context)
    bubble = (computing + tensor + context) * (layout.pipeline - 1) / (layout.virtual * layout.num_micro)
    encoding = samples * job.pixels / (ENCODER_PIXELS * gpu.bf16_flops / ENCODER_FLOPS)
    shared = computing + tensor + context + data + bubble
    return Step(
        products=products, attention=attention, memory=memory, tensor=tensor, context=context, data=data,
        optimizer=optimizer * (2 * STATE + GRADIENT + NUMBER) / (gpu.memory_rate * MEMORY_SHARE),
        bubble=bubble, encoding=encoding, waiting=shared * JITTER * math.sqrt(2 * math.log(max(1, layout.devices))),
    )  # fmt: skip


def _rate(gpu: Gpu, group: int, inner: int) -> float:
    """Return bytes per second of a collective over `group` devices that lie `inner` apart.

    Inside a server that is the fast link; between servers every member uses its own network port.
    """
    if group * inner <= gpu.node:
        return gpu.link_rate * LINK_SHARE
    return min(gpu.link_rate, gpu.network_rate * max(1, gpu.node // inner)) * LINK_SHARE


def _tensor(layout: Layout, activation: float, gpu: Gpu) -> float:
    group = layout.tensor
    moved = activation * group * TENSOR_COLLECTIVES * (group - 1) / group
    return moved / _rate(gpu, group, 1)


def _context(job: Job, layout: Layout, activation: float) -> float:
    """Return the seconds of exchanging queries, keys, values and outputs, or of gathering keys and values if shorter.

    Forward once, backward twice. Exchanging gives every device heads of its own, so there must be enough of them.
    """
    group = layout.context
    if group == 1:
        return 0.0
    exchanged = activation * 4 * (group - 1) / group
    gathered = activation * (group - 1) * 2 * job.model.keys / job.model.width
    if layout.tensor * group > job.model.width // HEAD:
        exchanged = gathered
    return BACKWARD * min(exchanged, gathered) / _rate(job.gpu, group, layout.tensor)


def _data(job: Job, layout: Layout, computing: float) -> float:
    """Return the seconds of summing gradients and spreading weights that computing does not hide."""
    group = layout.data * layout.context
    held = job.model.weights / (layout.tensor * layout.pipeline) * (group - 1) / group
    rate = _rate(job.gpu, group, layout.tensor)
    if not layout.is_sharded:  # one sum, one gathering a step
        return held * (GRADIENT + NUMBER) / rate * job.stack.bare_data
    moved = held * (2 * NUMBER + NUMBER) * layout.num_micro / rate  # weights twice, gradients once, each time
    return max(moved * job.stack.bare_data, moved - computing)


def model_flops(job: Job, layout: Layout, seconds: float) -> float:
    """Return the useful FLOP/s of one device: nothing counted that is done twice."""
    return layout.batch * job.model.flops(job.tokens) / seconds / layout.devices
