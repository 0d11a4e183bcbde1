"""What do the runs made here say about the constants of `rushes plan`?

Counts, on one step of a block of our film model, the bytes that everything but products and attention reads and writes,
in activations (a token's width); times whole training steps against the model's prediction for this processor, whose
product rate, attention rate and memory rate are measured alone; and weighs and times a checkpoint.

Run: benchmarks/plan_calibration.py [--repeats 3]; a few minutes of one thread, better on idle cores.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rushes.cluster import layout, workload
from rushes.cluster.constants import STACKS, Stack
from rushes.cluster.hardware import Gpu
from rushes.models.transformer import Block, TransformerConfig
from rushes.nn.rope import rotation
from rushes.train import ceiling, checkpoint
from rushes.train.optimizer import Optimizer, OptimizerConfig

TEXT_TOKENS = 16
CASES = ((256, 4, 144), (256, 4, 720), (512, 8, 576), (768, 12, 288))  # width, heads, tokens
LAYERS = 2


class _Traffic(TorchDispatchMode):
    """Adds up the bytes that run through everything that is no product, no attention and no view."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        is_counted = not (name in ("mm", "addmm", "bmm") or "attention" in name or func.is_view)
        if is_counted:
            for tensor in tree_leaves((args, kwargs, found)):
                if isinstance(tensor, Tensor):
                    self.bytes += tensor.numel() * tensor.element_size()
        return found


class _Stack(torch.nn.Module):
    """Blocks of the film model alone, with made-up text: what a big model repeats."""

    def __init__(self, width: int, heads: int, tokens: int) -> None:
        super().__init__()
        config = TransformerConfig(width=width, heads=heads, depth=LAYERS, hidden=width * 11 // 4)
        self.blocks = torch.nn.ModuleList(Block(config) for _ in range(LAYERS))
        for parameter in self.parameters():  # zero-initialised products would leave no work to the backward pass
            torch.nn.init.normal_(parameter, std=0.02)
        self.width, self.text = width, torch.randn(1, TEXT_TOKENS, config.text.width)
        self.shared = torch.randn(1, 6, width)
        self.turn = turns(tokens, width // heads)

    def forward(self, x: Tensor) -> Tensor:
        first = None
        for block in self.blocks:
            x, values = block(x, self.shared, self.turn, block.text(self.text), first)
            first = values if first is None else first
        return x


def turns(tokens: int, size: int) -> tuple[Tensor, Tensor]:
    """Return the rotation of `tokens` positions in a row."""
    line = torch.arange(tokens, dtype=torch.float32)[:, None].expand(-1, 3)
    cosine, sine = rotation(line, (size // 4, 3 * size // 8, 3 * size // 8))
    return cosine[:, None, None], sine[:, None, None]


def main() -> None:
    """Print what was counted and timed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| width | tokens | passes per layer | step s | predicted s | |\n|---|---|---|---|---|---|")
    for width, heads, tokens in CASES:
        report(width, heads, tokens, repeats)
    weigh()


def report(width: int, heads: int, tokens: int, repeats: int) -> None:
    """Print a line of the table: traffic, time and prediction of one shape."""
    model, x = _Stack(width, heads, tokens), torch.randn(1, tokens, width)

    def step() -> None:
        model(x).square().mean().backward()

    step()
    with _Traffic() as traffic:
        step()
    passes = traffic.bytes / (tokens * width * 4 * LAYERS)
    took = timed(step, repeats)
    weights = sum(p.numel() for p in model.blocks.parameters())
    plan = workload.Model(
        title="", layers=LAYERS, width=width, weights=weights, per_layer=4 * width**2 + 3 * width * (width * 11 // 4)
    )
    job = layout.Job(model=plan, tokens=tokens, gpu=this_machine(step, width, heads, tokens), stack=own(passes))
    guess = layout.step(job, layout.Layout(data=1))
    said = guess.seconds - guess.optimizer  # the step above updates no weights
    print(f"| {width} | {tokens} | {passes:.0f} | {took:.4f} | {said:.4f} | {said / took - 1:+.0%} |", flush=True)


def own(passes: float) -> Stack:
    """Return the plain stack with what was counted here; the rates measured below are already those of its shapes."""
    # Numbers have four bytes here and two in the planner.
    return replace(STACKS["plain"], product_share=1.0, attention_share=1.0, half_side=0.0, passes=2 * passes)


def this_machine(step: Callable[[], None], width: int, heads: int, tokens: int) -> Gpu:
    """Return one core of this processor as the planner sees an accelerator: three rates, measured apart."""
    _, shapes = ceiling.count(step)
    work = spent = 0.0
    for (rows, inner, columns), times in shapes.items():
        a, b = torch.randn(rows, inner), torch.randn(inner, columns)
        work += times * 2.0 * rows * inner * columns
        spent += times * timed(partial(torch.mm, a, b), 1)
    products = work / spent
    q = torch.randn(1, heads, tokens, width // heads, requires_grad=True)
    flops = workload.BACKWARD * 4 * width * tokens * (tokens + TEXT_TOKENS)

    def attend() -> None:
        functional.scaled_dot_product_attention(q, q, q).sum().backward()

    attention = flops / timed(attend, 2)
    a = torch.randn(tokens, width)
    memory = 3 * a.numel() * 4 / timed(partial(torch.mul, a, a), 3)
    return Gpu(
        title="one core", bf16_flops=products, fp8_flops=0, product_share=1, sustained=1,
        attention_flops=attention,
        memory_bytes=1e10, memory_rate=memory / 0.8, node=1, link_rate=1e9, network_rate=1e9, power_w=0, host_w=0,
        hourly_usd=0,
    )  # fmt: skip


def timed(work: Callable[[], object], repeats: int) -> float:
    """Return the median CPU seconds of `work`, which other programs disturb less than the clock on the wall."""
    spent = []
    work()
    for _ in range(repeats):
        count, began = 0, time.thread_time()
        while time.thread_time() - began < 0.05:
            work()
            count += 1
        spent.append((time.thread_time() - began) / count)
    return statistics.median(spent)


def weigh() -> None:
    """Print the bytes per weight of a checkpoint and the rate at which it is written, synced and synced."""
    model = _Stack(768, 12, 16)
    optimizer = Optimizer(model, OptimizerConfig())
    model(torch.randn(1, 16, 768)).mean().backward()
    optimizer.step(0, 10)
    state = {"model": dict(model.state_dict()), "optimizer": optimizer.state()}
    weights = sum(p.numel() for p in model.parameters())
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        path = checkpoint.write(Path(folder), 1, state, {})
        written = time.perf_counter() - began
        size = sum(file.stat().st_size for file in path.iterdir())
    print(f"checkpoint: {size / weights:.1f} bytes a weight, written and synced at {size / written / 1e6:.0f} MB/s")


if __name__ == "__main__":
    main()
