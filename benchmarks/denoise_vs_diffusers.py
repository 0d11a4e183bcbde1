"""How fast does our transformer denoise, against diffusers' LTX-Video transformer of the same width, depth and tokens?

Both run the same number of steps with prompted and unprompted velocity, eager or compiled, each in a process of its
own as its users run it, taking turns; the figure is the median of the ratios of neighbours. Ours is the runtime of
`Generator`: freed memory is kept, and on a CPU the two velocities have a share of the cores each. `--same-memory` keeps
it for both, `--batched` runs our two velocities as one batch like theirs. Random weights: speed alone is compared.
`pip install diffusers` first; `--compile` needs a C++ compiler.
"""

import argparse
import functools
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch

from rushes.diffusion import samplers, schedule
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.nn import machine

GRIDS = {"flipbook": (1, 9, 16), "short": (3, 9, 16), "feature": (10, 9, 16)}
WORDS = tuple(f"word{i}" for i in range(340))


def ours(config: TransformerConfig, grid: tuple[int, int, int], how: argparse.Namespace) -> Callable[[], object]:
    """Return a closure that denoises one film."""
    model = Transformer(config).eval().requires_grad_(False)
    if how.compile:
        for block in model.blocks:
            block.compile()
    seconds, rows, columns = grid
    ids = torch.randint(0, len(WORDS), (2, config.text.length)).split(2 if how.batched else 1)
    num = len(ids[0])
    span = (torch.zeros(num), torch.full((num,), float(seconds)))
    noise = torch.randn(1, config.channels, seconds * config.patch_frames, rows, columns)

    def run() -> object:
        with torch.inference_mode(), machine.abreast(len(ids)) as at_once:
            prompts = at_once([functools.partial(model.read, each) for each in ids])

            def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
                x, t = x.repeat(num, 1, 1, 1, 1), t.repeat(num)
                parts = at_once([functools.partial(model, x, t, each, span) for each in prompts])
                prompted, plain = torch.cat(parts).chunk(2)
                return plain + 3.0 * (prompted - plain)

            return samplers.euler(velocity, noise, schedule.grid(how.steps, 2.0))

    return run


def theirs(config: TransformerConfig, grid: tuple[int, int, int], how: argparse.Namespace) -> Callable[[], object]:
    """Return the same for LTX-Video's transformer."""
    from diffusers import LTXVideoTransformer3DModel

    channels = config.channels * config.patch_frames
    model = LTXVideoTransformer3DModel(
        in_channels=channels,
        out_channels=channels,
        num_attention_heads=config.heads,
        attention_head_dim=config.width // config.heads,
        cross_attention_dim=config.width,
        num_layers=config.depth,
        caption_channels=config.text.width,
    )
    model = model.eval().requires_grad_(False)
    if how.compile:
        for block in model.transformer_blocks:
            block.compile()
    seconds, rows, columns = grid
    text = torch.randn(2, config.text.length, config.text.width)
    mask = torch.ones(2, config.text.length)
    noise = torch.randn(1, seconds * rows * columns, channels)

    @torch.inference_mode()
    def run() -> object:
        x = noise
        times = schedule.grid(how.steps, 2.0)
        for t, following in itertools.pairwise(times):
            both = model(
                x.repeat(2, 1, 1),
                encoder_hidden_states=text,
                timestep=(t * 1000).expand(2),
                encoder_attention_mask=mask,
                num_frames=seconds,
                height=rows,
                width=columns,
                return_dict=False,
            )[0]
            prompted, plain = both.chunk(2)
            x = x + (following - t) * (plain + 3.0 * (prompted - plain))
        return x

    return run


def work(end: Connection, build: Callable[..., Callable[[], object]], how: argparse.Namespace) -> None:
    """Be one side: denoise a film of each grid that is sent, and send back the seconds that it took."""
    torch.set_num_threads(how.threads)
    if build is ours or how.same_memory:
        machine.keep_memory()
    config = TransformerConfig(depth=6, text=TextConfig(words=WORDS))
    runs: dict[tuple[int, int, int], Callable[[], object]] = {}
    while (grid := end.recv()) is not None:
        if grid not in runs:
            runs[grid] = build(config, grid, how)
            runs[grid]()
        start = time.perf_counter()
        runs[grid]()
        end.send(time.perf_counter() - start)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what every such comparison asks."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--compile", action="store_true")
    made.add_argument("--same-memory", action="store_true")
    made.add_argument("--batched", action="store_true")
    made.add_argument("--steps", type=int, default=4)
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--threads", type=int, default=torch.get_num_threads())
    made.add_argument("--grids", default="flipbook,short,feature")
    return made


def compete(rival: str, build: Callable[..., Callable[[], object]], how: argparse.Namespace) -> None:
    """Let ours and a rival take turns on each grid, and print the ratios."""
    context = multiprocessing.get_context("spawn")
    ends, sides = [], []
    for side in (ours, build):
        near, far = context.Pipe()
        sides.append(context.Process(target=work, args=(far, side, how), daemon=True))
        sides[-1].start()
        ends.append(near)
    for name in how.grids.split(","):
        spent: list[list[float]] = [[], []]
        for _ in range(how.repeats):
            for end, times in zip(ends, spent, strict=True):
                end.send(GRIDS[name])
                times.append(end.recv())
        ratios = [b / a for a, b in zip(*spent, strict=True)]
        mine, other = (statistics.median(times) / how.steps for times in spent)
        best = min(spent[1]) / min(spent[0])
        print(f"{name}: ours {mine:.4f} s/step, {rival} {other:.4f} s/step, ", end="")
        print(f"median {statistics.median(ratios):.2f}x of {min(ratios):.2f} to {max(ratios):.2f}, best {best:.2f}x")
    for end in ends:
        end.send(None)


if __name__ == "__main__":
    compete("diffusers LTX", theirs, parser(__doc__).parse_args())
