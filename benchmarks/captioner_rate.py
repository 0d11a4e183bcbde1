"""How many clips of real footage does the captioner describe a second, on one core and on two?

The stage `caption` as `rushes curate` runs it: the pictures that analysis kept are unpacked, fitted, looked at, and
three sentences, fields and an embedding come back. The footage is analysed and split beforehand, outside of the clock.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import footage
import torch

from rushes.data import shots
from rushes.data.captioning.looking import show_clip
from rushes.data.decode.analysis import View, analyse, view
from rushes.data.shots import ShotConfig
from rushes.data.stages import caption
from rushes.models.captioner import Captioner
from rushes.types import Clip, VideoShape

WEIGHTS = Path(__file__).parents[1] / "weights" / "captioner"
FILMS = ("trailer_bbb.mp4", "a.mp4", "bikes.mp4", "world.mp4", "cup.mp4", "vtest.avi")
BAR = 8.0


def views(num: int) -> list[View]:
    """Return `num` clips of the footage, films taking turns, again from the first when all were taken."""
    by_film = []
    for name in FILMS:
        analysis = analyse(footage.path(name))
        spans = shots.split(analysis, ShotConfig(max_s=4.0))
        shape = VideoShape(frames=48, height=analysis.probe.height, width=analysis.probe.width)
        clips = [
            Clip(id=f"{name} {i}", source=name, span=s, shape=shape, fps=Fraction(24)) for i, s in enumerate(spans)
        ]
        by_film.append([view(clip, analysis) for clip in clips])
    turns = [one for some in itertools.zip_longest(*by_film) for one in some if one]
    return list(itertools.islice(itertools.cycle(turns), num))


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    """Return the seconds of each repeat, after one that warms up."""
    spent = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return spent[1:]


def alone(some: list[View], repeats: int) -> list[float]:
    """Return the seconds in which a process of one thread describes all, each repeat."""
    torch.set_num_threads(1)
    measure = caption.load(str(WEIGHTS))
    return timed(lambda: measure(some), repeats)


def parts(some: list[View], repeats: int) -> dict[str, list[float]]:
    """Return what a thread spends on showing clips, on understanding them and on writing, each repeat."""
    torch.set_num_threads(1)
    captioner, shown = Captioner.from_pretrained(WEIGHTS), [show_clip(one) for one in some]
    batches = [shown[start : start + caption.BATCH] for start in range(0, len(shown), caption.BATCH)]
    told = [caption.tensors(batch) for batch in batches]

    @torch.inference_mode()
    def understand() -> None:
        for frames, times, durations in told:
            captioner(frames, times, durations)

    found = {
        "showing": timed(lambda: [show_clip(one) for one in some], repeats),
        "understanding": timed(understand, repeats),
        "understanding and writing": timed(lambda: [caption.describe(captioner, batch) for batch in batches], repeats),
    }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    some, repeats = views(arguments.clips), arguments.repeats
    found = {"one process, one thread": alone(some, repeats)}
    found |= {f"of it {name}": seconds for name, seconds in parts(some, repeats).items()}
    torch.set_num_threads(2)
    measure = caption.load(str(WEIGHTS))
    found["one process, two threads"] = timed(lambda: measure(some), repeats)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        halves = [pool.submit(alone, half, repeats) for half in (some[::2], some[1::2])]
        found["two processes, a thread each"] = [max(both) for both in zip(*(h.result() for h in halves), strict=True)]
    print("| what | clips/s, median | slowest | fastest | ms a clip |")
    print("|---|---|---|---|---|")
    for what, seconds in found.items():
        rates, median_s = [len(some) / one for one in seconds], statistics.median(seconds)
        shown = f"{len(some) / median_s:.1f} | {min(rates):.1f} | {max(rates):.1f}"
        print(f"| {what} | {shown} | {median_s / len(some) * 1e3:.1f} |")
    print(f"{len(some)} clips, {repeats} repeats; the bar is {BAR:g} clips a second on two cores.")


if __name__ == "__main__":
    main()
