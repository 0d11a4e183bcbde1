"""What share of a bare decode's rate does the analysis pass reach, per core, on real footage?

Three passes over each file on one thread, taking turns: a bare decode with the decoder's defaults, a bare decode with
the flags that analysis sets (deblocking skipped in B frames, from 480 px), and the whole analysis (shots' signals,
motion, sharpness, exposure, freeze, bars, pictures) with the detection of shots behind it. Frames per second of CPU
time, so that another busy core disturbs little; medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import av
import footage

from rushes.data import shots
from rushes.data.decode.analysis import AnalysisConfig, analyse

FILMS = (
    *("trailer_bbb.mp4", "bigbuckbunny.mp4", "a.mp4", "face_noface.mov", "vtest.avi", "Megamind.avi", "box.mp4"),
    *("bikes.mp4", "world.mp4", "carphone_pristine.mp4"),
)


def decode(path: Path, options: dict[str, str]) -> int:
    """Decode a film on one thread; return how many frames came."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        stream.codec_context.options = options
        return sum(1 for _ in container.decode(stream))


def measure(path: Path) -> int:
    """Analyse a film and find its transitions; return how many frames came."""
    analysis = analyse(path)
    shots.transitions(analysis.signals)
    return len(analysis.times_s)


def rate(work: Callable[[], int]) -> float:
    """Return frames per second of CPU time."""
    begun = time.process_time()
    count = work()
    return count / (time.process_time() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", nargs="*", type=Path, help="default: the films of footage.py")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    config = AnalysisConfig()
    print("| film | size | codec | bare decode fps | same flags | analysis | of bare | of same flags |")
    print("|---|---|---|---|---|---|---|---|")
    for path in arguments.films or [footage.path(name) for name in FILMS]:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            size, codec = (stream.width, stream.height), stream.codec_context.name
        flags = {"skip_loop_filter": config.skip_loop_filter} if min(size) >= config.skip_from_px else {}
        passes: list[Callable[[], int]] = [
            lambda path=path: decode(path, {}),  # type: ignore[misc]
            lambda path=path, flags=flags: decode(path, flags),  # type: ignore[misc]
            lambda path=path: measure(path),  # type: ignore[misc]
        ]
        rounds = [[rate(work) for work in passes] for _ in range(arguments.repeats)]
        bare, same, analysis = (statistics.median(column) for column in zip(*rounds, strict=True))
        shares = [statistics.median(each[2] / each[k] for each in rounds) for k in (0, 1)]
        print(
            f"| {path.name} | {size[0]}x{size[1]} | {codec} | {bare:.0f} | {same:.0f} | {analysis:.0f}"
            f" | {shares[0]:.0%} | {shares[1]:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
