"""How fast does our transformer denoise, against diffusers' LTX-Video transformer of the same width, depth and tokens?

Both run the same number of steps with prompted and unprompted velocity, eager and with `--compile` compiled too, each
in a process of its own as its users run it, taking turns; the figure is the median of the ratios of neighbours, of
seconds and of CPU seconds: with one thread the latter hold on a busy machine as well. Ours is the film model that ships
and the runtime of `Generator`: it is led by a layout, a draft and a backdrop, what no step changes is computed once a
film (and timed), freed memory is kept, several cores have a velocity each, and prompts are read before. `--same-memory`
keeps it for all, `--batched` runs our two velocities as one batch like theirs. Diffusers' weights are random: speed
alone is compared.
`pip install diffusers` first; `--compile` needs a C++ compiler.
"""

import argparse
import functools
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from rushes import layouts
from rushes.diffusion import samplers, schedule
from rushes.models.transformer import Lead, Transformer, TransformerConfig
from rushes.nn import machine

Grid = tuple[int, int, int]
Run = Callable[[], object]
Build = Callable[[Grid, argparse.Namespace], Run]
GRIDS: dict[str, Grid] = {
    "flipbook": (1, 9, 16),
    "square": (1, 12, 12),
    "short": (3, 9, 16),
    "feature": (10, 9, 16),
}
OURS, COMPILED = "ours", ", compiled"


def led(config: TransformerConfig, grid: Grid, num: int) -> Lead:
    """Return what leads a film wherever the model can be led: subjects all over it, and pictures of noise."""
    seconds, rows, columns = grid
    noise = torch.randn(num, 3 * config.channels, seconds * config.patch_frames, rows, columns)
    draft, backdrop = noise.split((2 * config.channels, config.channels), dim=1)
    layout = torch.rand(num, seconds * layouts.PER_SECOND, layouts.COLUMNS)
    return Lead(layout, draft if config.draft else None, backdrop if config.backdrop else None)


def ours(grid: Grid, how: argparse.Namespace) -> Run:
    """Return a closure that denoises one film."""
    model = Transformer.from_pretrained(how.weights).eval().requires_grad_(False).lay()
    if how.compile:
        for block in model.blocks:
            block.compile()
    config, seconds, times = model.config, grid[0], schedule.grid(how.steps, 2.0)
    ids = torch.randint(0, len(config.text.words), (2, config.text.length))
    is_batched, span = how.batched or how.threads == 1, (torch.zeros(1), torch.full((1,), float(seconds)))
    lead = led(config, grid, 2 if is_batched else 1)
    noise = torch.randn(1, config.channels, seconds * config.patch_frames, *grid[1:])
    with torch.inference_mode():
        prompts = [model.read(each) for each in ids.split(1)]

    def run() -> object:
        with torch.inference_mode(), machine.abreast(len(ids)) as at_once:
            ready = at_once([functools.partial(model.ready, grid, each, times[:-1, None], span) for each in prompts])
            ready = [model.together(ready)] if is_batched else ready
            ready = at_once([functools.partial(model.led, each, lead) for each in ready])
            torch.set_num_threads(1)  # as `Generator` does: `at_once` has the cores

            def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
                step = times.tolist().index(float(t[0]))
                parts = at_once([functools.partial(model.velocity, x, each, step) for each in ready])
                prompted, plain = torch.cat(parts).chunk(2)
                return plain + 3.0 * (prompted - plain)

            return samplers.euler(velocity, noise, times)

    return run


def theirs(grid: Grid, how: argparse.Namespace) -> Run:
    """Return the same for LTX-Video's transformer."""
    from diffusers import LTXVideoTransformer3DModel

    config = Transformer.from_pretrained(how.weights).config
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


def work(end: Connection, build: Build, how: argparse.Namespace) -> None:
    """Be one side: denoise a film of each grid that is sent, and send back its seconds and CPU seconds a step."""
    torch.set_num_threads(how.threads)
    if build is ours or how.same_memory:
        machine.keep_memory()
    runs: dict[Grid, Run] = {}
    while (grid := end.recv()) is not None:
        if grid not in runs:
            torch.manual_seed(0)
            runs[grid] = build(grid, how)
            runs[grid]()
        start, spent = time.perf_counter(), time.process_time()
        runs[grid]()
        end.send(((time.perf_counter() - start) / how.steps, (time.process_time() - spent) / how.steps))


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what every such comparison asks."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--compile", action="store_true", help="ours and diffusers compiled as well")
    made.add_argument("--same-memory", action="store_true")
    made.add_argument("--batched", action="store_true")
    made.add_argument("--steps", type=int, default=4)
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--threads", type=int, default=torch.get_num_threads())
    made.add_argument("--grids", default="flipbook,short,feature", help=f"of {', '.join(GRIDS)}")
    made.add_argument("--weights", type=Path, default=Path("weights/film"))
    return made


def compete(rivals: Mapping[str, Build], how: argparse.Namespace) -> None:
    """Let ours and rivals take turns on each grid; print seconds a step, and how far ours is ahead of each.

    Where compiled sides are asked for, those that torch runs (ours and diffusers) are there twice.
    """
    context = multiprocessing.get_context("spawn")
    ends: dict[str, Connection] = {}
    for name, build in {OURS: ours, **rivals}.items():
        for is_compiled in (False, True) if how.compile and build in (ours, theirs) else (False,):
            near, far = context.Pipe()
            asked = argparse.Namespace(**vars(how) | {"compile": is_compiled})
            context.Process(target=work, args=(far, build, asked), daemon=True).start()
            ends[name + COMPILED * is_compiled] = near
    for grid in how.grids.split(","):
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ends}
        for _ in range(how.repeats):
            for name, end in ends.items():
                end.send(GRIDS[grid])
                spent[name].append(end.recv())
        print(*_lines(grid, spent), sep="\n", flush=True)
    for end in ends.values():
        end.send(None)


def _lines(grid: str, spent: Mapping[str, list[tuple[float, float]]]) -> list[str]:
    """Return a line per side, then one per pair of ours and a rival."""
    lines = []
    for name, times in spent.items():
        wall, cpu = (statistics.median(each) for each in zip(*times, strict=True))
        lines.append(f"{grid}: {name}: {wall:.4f} s a step, {cpu:.4f} CPU s")
    mine = [name for name in spent if name.startswith(OURS)]
    for rival in (name for name in spent if name not in mine):
        for name in mine:
            pairs = zip(spent[name], spent[rival], strict=True)
            wall, cpu = zip(*([b / a for a, b in zip(*pair, strict=True)] for pair in pairs), strict=True)
            said = [f"{statistics.median(each):.2f}x ({min(each):.2f} to {max(each):.2f})" for each in (wall, cpu)]
            lines.append(f"{grid}: {name} ahead of {rival}: {said[0]}, CPU {said[1]}")
    return lines


if __name__ == "__main__":
    compete({"diffusers LTX": theirs}, parser(__doc__).parse_args())
