"""How long until the first frame of a film is there: in a loaded model, and from a process's start?

In the loaded model each run asks for another seed; a first one warms up and is not counted. From a process's start it
is what `rushes film` does before its first frame: Python and torch are imported, the weights read. Prints medians in
seconds as a markdown table, beside the machine's load, for nothing here is measured well beside other work.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click
import torch

from rushes.generate import Generator
from rushes.tiers import TIERS, plan
from rushes.types import GenerationRequest

PROMPT = "a red sailboat drifts left across the sea at sunset"
ALONE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from first_frame import asked
from rushes.generate import Generator
made = Generator.load(Path(sys.argv[2]), device="cpu", threads=int(sys.argv[4]))
next(made.generate(asked(sys.argv[3], int(sys.argv[5]))))
print("there", flush=True)
"""


def asked(tier: str, seed: int) -> GenerationRequest:
    """Return the request for one film of a tier."""
    made = TIERS[tier]
    request = GenerationRequest(
        prompt=PROMPT, shape=made.shape, fps=made.fps, num_steps=made.num_steps, guidance_scale=made.guidance_scale
    )
    return replace(request, seed=seed)


def loaded(made: Generator, request: GenerationRequest) -> dict[str, float]:
    """Return the seconds that a loaded model takes to each stage's end, the frame before which it stops included."""
    shot, begun = plan(request), time.perf_counter()
    latent = made.latent(request)
    decided = time.perf_counter()
    painting = made.paint(latent, shot)
    next(painting)
    there = time.perf_counter()
    painting.close()  # type: ignore[attr-defined]
    return {"leads and denoising": decided - begun, "painting": there - decided, "first frame": there - begun}


def started(weights: Path, tier: str, threads: int, seed: int) -> float:
    """Return the seconds from the start of a process to its first frame."""
    words = (str(Path(__file__).parent), str(weights), tier, str(threads), str(seed))
    begun = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", ALONE, *words], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        took = time.perf_counter() - begun
    if said != b"there\n":
        raise SystemExit("the process ended before its first frame")
    return took


@click.command(help=__doc__)
@click.option("--weights", type=click.Path(path_type=Path, exists=True), default=Path("weights"), show_default=True)
@click.option("--tier", type=click.Choice(sorted(TIERS)), default="feature", show_default=True)
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--threads", type=click.IntRange(min=0), default=0, help="0: torch's own number.", show_default=True)
def main(weights: Path, tier: str, repeats: int, threads: int) -> None:
    made = Generator.load(weights, device="cpu", threads=threads)
    loaded(made, asked(tier, 0))
    runs = [loaded(made, asked(tier, seed)) for seed in range(1, repeats + 1)]
    rows = {name: [run[name] for run in runs] for name in runs[0]}
    rows["from a process's start"] = [started(weights, tier, threads, seed) for seed in range(1, repeats + 1)]
    load = os.getloadavg()[0]
    print(f"{tier}, {repeats} runs, {torch.get_num_threads()} threads of {os.cpu_count()} cores, load {load:.1f}\n")
    print("| until | median s | of |\n| --- | --- | --- |")
    for name, took in rows.items():
        print(f"| {name} | {statistics.median(took):.2f} | {', '.join(f'{one:.2f}' for one in sorted(took))} |")


if __name__ == "__main__":
    main()
