"""How much memory does a worker of `rushes curate` take on 1080p, and does it stay flat over 2,000 clips?

Shots of one second are cut from the real footage at 1920x1080, then copied packet by packet, in another order for each
source, so that hours of 1080p cost seconds of encoding. Every shot gives a clip that is copied and one that is encoded.
One worker does everything; its resident memory is sampled while it works.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import footage
import numpy as np
import psutil

from rushes.data.packing.cut import CutConfig
from rushes.data.presets.curate import curate as preset
from rushes.data.run import Progress, curate
from rushes.data.settings import CurateConfig
from rushes.data.shots import ShotConfig
from rushes.data.workers.pool import LocalRunner

FPS, SHOT_FRAMES = 24, 24
WIDTH, HEIGHT = 1920, 1080
FILMS = ("a.mp4", "trailer_bbb.mp4", "bigbuckbunny.mp4", "WolfgangLanger_Pexels.mp4", "face_noface.mov", "world.mp4")
BAR_MB = 1200
SAMPLE_S = 0.25


def write_reel(path: Path, num_shots: int) -> None:
    """Encode `num_shots` shots of real footage, each a group of pictures of its own."""
    with av.open(str(path), "w") as reel:
        options = {"preset": "ultrafast", "g": str(SHOT_FRAMES), "keyint_min": str(SHOT_FRAMES), "sc_threshold": "0"}
        stream = reel.add_stream("libx264", rate=FPS, options=options | {"bf": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        shots = [_shots(footage.path(name)) for name in FILMS]
        for index in range(num_shots):
            for offset, frame in enumerate(next(shots[index % len(shots)])):
                picture = frame.reformat(WIDTH, HEIGHT, "yuv420p")
                picture.pts, picture.time_base = index * SHOT_FRAMES + offset, Fraction(1, FPS)
                picture.pict_type = av.video.frame.PictureType.NONE
                reel.mux(stream.encode(picture))
        reel.mux(stream.encode(None))


def _shots(path: Path):
    """Yield shots of SHOT_FRAMES frames, two seconds of film apart, from the start again after the end."""
    while True:
        with av.open(str(path)) as container:
            waiting: list[av.VideoFrame] = []
            for number, frame in enumerate(container.decode(video=0)):
                if number % (3 * SHOT_FRAMES) < SHOT_FRAMES:
                    waiting.append(frame)
                if len(waiting) == SHOT_FRAMES:
                    yield waiting
                    waiting = []


def write_source(path: Path, reel: Path, num_shots: int, seed: int) -> None:
    """Copy shots of the reel in an order drawn by `seed`, no film after itself, without encoding anything."""
    with av.open(str(reel)) as container:
        groups: list[list[av.Packet]] = []
        template = container.streams.video[0]
        for packet in container.demux(template):
            if packet.size:
                if packet.is_keyframe:
                    groups.append([])
                groups[-1].append(packet)
        rng = random.Random(seed)
        with av.open(str(path), "w") as film:
            stream = film.add_stream_from_template(template)
            for index in range(num_shots):
                mine = [group for number, group in enumerate(groups) if number % len(FILMS) == index % len(FILMS)]
                chosen = rng.choice(mine)
                shift = round(index * SHOT_FRAMES / FPS / template.time_base) - min(packet.pts for packet in chosen)
                for packet in chosen:
                    copy = av.Packet(bytes(packet))
                    copy.pts, copy.dts = packet.pts + shift, packet.dts + shift
                    copy.time_base, copy.is_keyframe, copy.duration = (
                        packet.time_base,
                        packet.is_keyframe,
                        packet.duration,
                    )
                    copy.stream = stream
                    film.mux_one(copy)


def settings(stages: list[str]) -> CurateConfig:
    """Return the preset with clips of half a second, two of every shot."""
    config = preset()
    return replace(
        config,
        stages={name: config.stages[name] for name in stages} if stages else config.stages,
        shots=ShotConfig(min_s=0.25, max_s=0.55, trim_frames=0),
        cut=CutConfig(shortest_s=0.25),
        select=replace(config.select, cuts={}),
    )


class Samples:
    """Resident memory of this process's children, sampled while the body runs: (seconds, phase, clips, MB)."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, str, int, float]] = []
        self._phase, self._clips, self._is_over = "", 0, threading.Event()

    def watch(self, progress: Progress) -> None:
        self._phase, self._clips = progress.phase, progress.num_clips

    def __enter__(self) -> Samples:
        self._begun, self._thread = time.monotonic(), threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(SAMPLE_S):
            for child in multiprocessing.active_children():
                try:
                    taken = psutil.Process(child.pid).memory_info().rss / 1e6
                except psutil.Error:
                    continue
                self.rows.append((time.monotonic() - self._begun, self._phase, self._clips, taken))


def report(samples: Samples, phase: str) -> None:
    """Print peak and growth of one phase: medians of its first and last quarter, and a line through all but the first.

    The first quarter holds the libraries being loaded; growth is what comes after.
    """
    taken = np.array([row[3] for row in samples.rows if row[1] == phase])
    if len(taken) < 8:
        print(f"| {phase} | too short to sample | | | | |")
        return
    quarter = len(taken) // 4
    first, second, last = (
        float(np.median(part)) for part in (taken[:quarter], taken[quarter : 2 * quarter], taken[-quarter:])
    )
    peaks = [float(part.max()) for part in np.array_split(taken, 4)]
    shown = " / ".join(f"{peak:.0f}" for peak in peaks)
    print(f"| {phase} | {taken.max():.0f} | {shown} | {first:.0f} | {second:.0f} | {last:.0f} | {last - second:+.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=8)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--stages", nargs="*", default=[], help="stages of the preset [all]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        write_reel(folder / "reel.mp4", 48)
        each = -(
            -arguments.clips * 23 // (40 * arguments.sources)
        )  # two clips of a shot, but a tenth of the cuts are missed
        for index in range(arguments.sources):
            write_source(folder / "in" / f"{index}.mp4", folder / "reel.mp4", each, index)
        begun = time.monotonic()
        config = settings(arguments.stages)
        with Samples() as samples, LocalRunner(1, silent_s=300, memory_mb=4096) as runner:
            summary = curate(str(folder / "data"), [str(folder / "in")], config, runner, watch=samples.watch)
        spent_s = time.monotonic() - begun
    print(f"{summary.outcomes}, {summary.num_clips} clips, {summary.num_rows} rows, {spent_s:.0f} s; bar {BAR_MB} MB")
    print("| phase | peak MB | peak of each quarter | median of 1st | of 2nd | of last | last - 2nd |")
    print("|---|---|---|---|---|---|---|")
    for phase in ("cutting", "measuring"):
        report(samples, phase)


if __name__ == "__main__":
    main()
