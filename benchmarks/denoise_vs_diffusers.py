"""How fast does our transformer denoise, against diffusers' LTX-Video transformer of the same width, depth and tokens?

Both run the same number of steps with prompted and unprompted velocity in one batch of two, eager and compiled, in
one process, alternating; the figure is the median of the ratios. Random weights: speed alone is compared.
`pip install diffusers` first; `--compile` needs a C++ compiler.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable

import torch
from diffusers import LTXVideoTransformer3DModel

from rushes.diffusion import samplers, schedule
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig

WORDS = tuple(f"word{i}" for i in range(340))


def ours(config: TransformerConfig, grid: tuple[int, int, int], steps: int, compiled: bool) -> Callable[[], object]:
    """Return a closure that denoises one film."""
    model = Transformer(config).eval().requires_grad_(False)
    if compiled:
        for block in model.blocks:
            block.compile()
    seconds, rows, columns = grid
    ids = torch.randint(0, len(WORDS), (2, config.text.length))
    span = (torch.zeros(2), torch.full((2,), float(seconds)))
    noise = torch.randn(1, config.channels, seconds * config.patch_frames, rows, columns)

    def run() -> object:
        prompt = model.read(ids)

        def velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            prompted, plain = model(x.repeat(2, 1, 1, 1, 1), t.repeat(2), prompt, span).chunk(2)
            return plain + 3.0 * (prompted - plain)

        return samplers.euler(velocity, noise, schedule.grid(steps, 2.0))

    return run


def theirs(config: TransformerConfig, grid: tuple[int, int, int], steps: int, compiled: bool) -> Callable[[], object]:
    """Return the same for LTX-Video's transformer."""
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
    if compiled:
        for block in model.transformer_blocks:
            block.compile()
    seconds, rows, columns = grid
    text = torch.randn(2, config.text.length, config.text.width)
    mask = torch.ones(2, config.text.length)
    noise = torch.randn(1, seconds * rows * columns, channels)

    @torch.inference_mode()
    def run() -> object:
        x = noise
        times = schedule.grid(steps, 2.0)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    config = TransformerConfig(depth=6, text=TextConfig(words=WORDS))
    for name, grid in (("flipbook", (1, 9, 16)), ("short", (3, 9, 16)), ("feature", (10, 9, 16))):
        pair = [build(config, grid, arguments.steps, arguments.compile) for build in (ours, theirs)]
        spent: list[list[float]] = [[], []]
        for round_number in range(arguments.repeats + 1):
            for index, run in enumerate(pair):
                start = time.perf_counter()
                run()
                if round_number:
                    spent[index].append(time.perf_counter() - start)
        ratios = [b / a for a, b in zip(*spent, strict=True)]
        mine, other = (statistics.median(times) / arguments.steps for times in spent)
        print(f"{name}: ours {mine:.3f} s/step, diffusers LTX {other:.3f} s/step, {statistics.median(ratios):.2f}x")


if __name__ == "__main__":
    main()
