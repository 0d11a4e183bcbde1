"""How much of the machine does a training step of a 1.3B film model use, and how much does diffusers' Wan use?

Ours: the real trainer (Muon, AdamW, average, fp32 masters, a bfloat16 twin). Theirs: diffusers' WanTransformer3DModel
under accelerate with AdamW, as its training examples have it. Both see equally many tokens of random latents. MFU is
the FLOPs that torch counts, forward and backward, over the data sheet's dense bfloat16 rate. `--size tiny` rehearses
it on a CPU.
"""

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.nn import weights
from rushes.train import ceiling
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel import world as worlds
from rushes.train.parallel.share import Share
from rushes.train.parallel.world import ParallelConfig
from rushes.train.trainer import Progress, RunConfig, Trainer, generator

# Dense bfloat16 FLOP/s of the data sheets, without sparsity.
SHEETS = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "B200": 2250e12, "A100": 312e12, "L40S": 362e12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Both models' size: `grid` is (frames, rows, columns) of tokens."""

    width: int
    depth: int
    heads: int
    hidden: int
    wan_hidden: int
    grid: tuple[int, int, int]


SIZES = {
    "1.3b": Size(width=1536, depth=30, heads=12, hidden=7680, wan_hidden=8960, grid=(21, 30, 52)),
    "tiny": Size(width=64, depth=2, heads=2, hidden=128, wan_hidden=192, grid=(2, 4, 6)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepConfig:
    """A batch of random latents a step."""

    run: RunConfig
    size: str
    batch: int
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def objective(self) -> "Step":
        return Step(self)


class Step:
    """Flow matching of random films."""

    def __init__(self, config: StepConfig) -> None:
        size, self.config, self.share = SIZES[config.size], config, Share()
        text = TextConfig(words=tuple(f"word{i}" for i in range(500)))
        of = TransformerConfig(
            channels=32, width=size.width, depth=size.depth, heads=size.heads, hidden=size.hidden, text=text
        )
        with ceiling.device():
            self.model: nn.Module = Transformer(of)

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Nothing is needed."""

    def num_samples(self, step: int) -> int:
        return self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        frames, rows, columns = SIZES[self.config.size].grid
        num, place = self.config.batch, ceiling.device()
        draw = generator(0, step, device=place)
        clean = torch.randn(num, 32, 2 * frames, rows, columns, generator=draw, device=place)
        ids = torch.randint(0, 500, (num, 32), generator=draw, device=place)
        t = torch.rand(num, generator=draw, device=place) * 0.9 + 0.1
        clean, ids, t = self.share.of((clean, ids, t))
        seconds = (torch.zeros_like(t), torch.full_like(t, frames))
        made = model(clean, t, model.read(ids), seconds)  # type: ignore[operator]
        return (made.float() - clean).square().mean(), {}

    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        return {}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        return weights.save(model, folder, family="transformer", config=SIZES[self.config.size], facts=facts)


def ours(arguments: argparse.Namespace) -> tuple[float, float]:
    """Return seconds a step (the median) and FLOPs a step."""
    num, ways = arguments.steps, ParallelConfig(recompute=arguments.recompute)
    dtype = "float32" if ceiling.device().type == "cpu" else "bfloat16"
    run = RunConfig(
        steps=num + 4,
        checkpoint_every=10**6,
        preview_every=10**6,
        log_every=1,
        dtype=dtype,
        threads=int(arguments.size == "tiny"),
        compile=arguments.compile,
    )
    seen: list[Progress] = []
    world = worlds.join(ways)
    trainer = Trainer(
        StepConfig(run=run, size=arguments.size, batch=arguments.batch), Path(tempfile.mkdtemp()), print, world
    )
    trainer.run(seen.append, stop_at=num + 3)
    times = [arguments.batch / one.samples_per_s for one in seen[3:]]
    return statistics.median(times), seen[-1].tflops * 1e12 / seen[-1].samples_per_s * arguments.batch


def theirs(arguments: argparse.Namespace) -> tuple[float, float]:
    """Return seconds a step (the median) and FLOPs a step of diffusers' model under accelerate."""
    from accelerate import Accelerator
    from diffusers import WanTransformer3DModel

    size, num = SIZES[arguments.size], arguments.batch
    is_low = ceiling.device().type != "cpu"
    accelerator = Accelerator(mixed_precision="bf16" if is_low else "no", cpu=not is_low)
    model = WanTransformer3DModel(
        num_attention_heads=size.heads, attention_head_dim=size.width // size.heads, num_layers=size.depth,
        ffn_dim=size.wan_hidden, text_dim=4096,
    )  # fmt: skip
    if arguments.recompute:
        model.enable_gradient_checkpointing()
    if arguments.compile:
        model.compile_repeated_blocks()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    model, optimizer = accelerator.prepare(model, optimizer)
    frames, rows, columns = size.grid
    place = accelerator.device
    text, latent = torch.randn(num, 512, 4096, device=place), torch.randn(
        num, 16, frames, 2 * rows, 2 * columns, device=place
    )  # fmt: skip

    def loss() -> Tensor:
        t = torch.rand(num, device=place)
        noise, share = torch.randn_like(latent), t.view(-1, 1, 1, 1, 1)
        with accelerator.autocast():
            made = model((1 - share) * latent + share * noise, t * 1000, text, return_dict=False)[0]
        return (made.float() - (noise - latent)).square().mean()

    flops, _ = ceiling.count(lambda: accelerator.backward(loss()))
    times = []
    for _ in range(arguments.steps + 3):
        optimizer.zero_grad(set_to_none=True)
        began = time.perf_counter()
        value = loss()
        accelerator.backward(value)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        float(value.detach())
        times.append(time.perf_counter() - began)
    return statistics.median(times[3:]), flops


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="1.3b")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--only", choices=("ours", "theirs"), default=None)
    arguments = parser.parse_args()
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    peak = next((rate for sheet, rate in SHEETS.items() if sheet in name), 0.0)
    frames, rows, columns = SIZES[arguments.size].grid
    print(f"{name}; {arguments.batch} x {frames * rows * columns} tokens; torch {torch.__version__}")
    for who, measure in (("ours", ours), ("theirs", theirs)):
        if arguments.only in (None, who):
            spent, flops = measure(arguments)
            used = f"MFU {flops / spent / peak:.1%}" if peak else "no data sheet for this machine"
            rate = f"{flops / 1e12:.4f} TFLOP a step, {flops / spent / 1e12:.3f} TFLOP/s"
            print(f"{who}: {spent:.3f} s a step, {rate}; {used}")
            gc.collect()
    if torch.cuda.is_available():
        print(f"most memory held: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
