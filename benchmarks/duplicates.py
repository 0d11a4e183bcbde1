"""How well are duplicates told from different clips? Real shots against copies that were spoiled on purpose.

Each stretch of composites.py gives one to three clips of 2 s. Each clip is copied in five ways, and once in all ways
together: re-encoded (CRF 34), resized (to 120 rows), cropped by 5 % of both sides at a random place, re-timed by 4 %,
subtitled in two lines. Every copy also starts and ends up to 3 frames later or earlier, as a shot detector would have
it. Then all are measured as curation measures them and sought among by `rushes.data.dedup`.

A pair is found when the similarity of original and copy reaches the preset's; it is false when an original and a copy
of a clip from another shot do. Parts of one shot are counted apart: they show one picture a few seconds later, and
whether that repeats anything is a matter of taste.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import composites
import cv2
import numpy as np

from rushes.data import dedup
from rushes.data.decode.analysis import analyse
from rushes.data.stages import hash as hashes

SECONDS, FPS, ROWS = 2.2, 24, 270
LINES = (
    "I never thought we would meet again",
    "What are you doing here?",
    "Listen to me very carefully now",
    "The weather in March is never kind",
    "(birds singing)",
    "We leave at dawn, all of us",
)
WAYS = ("re-encoded", "resized", "cropped", "re-timed", "subtitled")


@dataclass(frozen=True, slots=True)
class Made:
    """One clip as measured: which original it came from, how, from which shot, and its hash."""

    clip: int
    way: str
    shot: str
    means: np.ndarray


def ways(frames: list[np.ndarray], rng: np.random.Generator) -> dict[str, tuple[list[np.ndarray], Fraction, int]]:
    """Return (frames, fps, CRF) of the original and its copies."""
    fps, speed = Fraction(FPS), Fraction(26, 25) if rng.random() < 0.5 else Fraction(25, 26)
    corner, lines = rng.random(2), rng.choice(LINES, 2, replace=False)
    cropped = [_crop(frame, corner) for frame in frames]
    return {
        "original": (frames, fps, 20),
        "re-encoded": (frames, fps, 34),
        "resized": ([_rows(frame, 120) for frame in frames], fps, 26),
        "cropped": (cropped, fps, 24),
        "re-timed": (frames, fps * speed, 24),
        "subtitled": ([_titled(frame, lines) for frame in frames], fps, 24),
        "all of these": ([_rows(_titled(frame, lines), 160) for frame in cropped], fps * speed, 30),
    }


def _crop(frame: np.ndarray, corner: np.ndarray, share: float = 0.05) -> np.ndarray:
    height, width = frame.shape[:2]
    rows, columns = round(height * (1 - share)), round(width * (1 - share))
    top, left = int(corner[0] * (height - rows)), int(corner[1] * (width - columns))
    return frame[top : top + rows // 2 * 2, left : left + columns // 2 * 2]


def _rows(frame: np.ndarray, rows: int) -> np.ndarray:
    columns = round(frame.shape[1] * rows / frame.shape[0] / 2) * 2
    return cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA)


def _titled(frame: np.ndarray, lines: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    scale = height / 540 * 1.1
    drawn = frame.copy()
    for number, line in enumerate(str(text) for text in lines):
        place = ((width - int(len(line) * 19 * scale)) // 2, int(height * 0.86) + number * int(42 * scale))
        for level, thickness in ((0, 6), (255, 2)):
            size = max(1, round(thickness * scale))
            cv2.putText(drawn, line, place, cv2.FONT_HERSHEY_DUPLEX, scale, (level,) * 3, size, cv2.LINE_AA)
    return drawn


def made(limit: int) -> Iterator[Made]:
    """Yield every clip, measured."""
    clip, length = 0, round(SECONDS * FPS)
    with tempfile.TemporaryDirectory() as folder:
        for number, (stretch, path) in enumerate(list(composites.bank().items())[:limit]):
            whole = [_rows(f, ROWS) if f.shape[0] > ROWS else f for f in composites.read(path)]
            for part in range(max(1, min(3, len(whole) // 90))):
                frames = whole[part * 90 :][:length] if part else whole[:length]
                rng = np.random.default_rng((number, part))
                late, early = rng.integers(0, 4, 2)
                for way, (copy, fps, crf) in ways(frames, rng).items():
                    cut = copy if way == "original" else copy[late : len(copy) - early]
                    even = [np.ascontiguousarray(f[: f.shape[0] // 2 * 2, : f.shape[1] // 2 * 2]) for f in cut]
                    file = Path(folder) / "copy.mp4"
                    composites.write(file, even, fps=fps, crf=crf, gop=48)
                    found = analyse(file)
                    end_s = float(found.times_s[-1]) + float(1 / fps)
                    yield Made(clip, way, _shot(stretch), hashes.means(found.pictures, 0.0, end_s))
                clip += 1


def _shot(stretch: composites.Stretch) -> str:
    """Return a name that stretches of one shot share."""
    name = stretch.film.partition(".")[0]
    if name in ("vtest", "WolfgangLanger_Pexels", "box"):
        return name  # one shot from end to end, taken in parts
    return f"{name} {stretch.first}-{stretch.last}"


def report(all_made: list[Made], rounds: int) -> None:
    """Print recall by way, precision, and what is merged within one shot or place."""
    same_from = dedup.DedupConfig().same
    means = np.stack([one.means for one in all_made])
    originals = [i for i, one in enumerate(all_made) if one.way == "original"]
    print(f"{len(originals)} clips, {len(all_made) - len(originals)} copies; similarity {same_from} is a duplicate")
    same = [(i, j) for i in originals for j, one in enumerate(all_made) if one.clip == all_made[i].clip and i != j]
    values = dict(zip(same, _similarities(means, same), strict=True))
    for way in (*WAYS, "all of these"):
        found = np.array([value for (_, j), value in values.items() if all_made[j].way == way])
        low = f"lowest {found.min():.2f}, a tenth below {np.quantile(found, 0.1):.2f}"
        print(f"recall {way:14} {np.mean(found >= same_from):.4f}  {low}")
    wanted = np.array([value for (_, j), value in values.items() if all_made[j].way in WAYS])
    right = int((wanted >= same_from).sum())
    print(f"recall, five ways     {right / len(wanted):.4f} of {len(wanted)} pairs")

    other = _different(all_made, originals)
    met = {(min(pair), max(pair)) for pair in dedup.meetings(means, dedup.DedupConfig()).tolist()}
    # Every pair costs a millisecond or more: those that share a bucket are compared, and a sample of all.
    close = [pair for pair in other if (min(pair), max(pair)) in met]
    alike = [pair for pair, value in zip(close, _similarities(means, close), strict=True) if value >= same_from]
    precision = right / max(1, right + len(alike))
    print(f"precision             {precision:.4f}: {len(alike)} false of {len(other)} different pairs")
    for names in sorted({tuple(sorted(all_made[i].shot for i in pair)) for pair in alike}):
        print(f"  alike: {' and '.join(names)}")
    chosen = np.random.default_rng(0).choice(len(other), min(len(other), rounds), replace=False)
    sample = _similarities(means, [other[i] for i in chosen])
    reached = int((sample >= same_from).sum())
    print(f"of {len(sample)} random different pairs {reached} reach it, highest {sample.max():.2f}")
    share = np.mean([pair in met for pair in ((min(p), max(p)) for p in same if all_made[p[1]].way in WAYS)])
    print(f"true pairs that share a bucket: {share:.4f}; comparisons: {len(met) / len(all_made):.1f} a clip")
    within = [(i, j) for i in originals for j in originals if i < j and all_made[i].shot == all_made[j].shot]
    merged = int((_similarities(means, within) >= same_from).sum())
    print(f"merged within one shot: {merged} of {len(within)} pairs of its parts")


def _different(all_made: list[Made], originals: list[int]) -> list[tuple[int, int]]:
    """Return the pairs of an original and a copy of an original from another shot."""
    return [
        (i, j) for i in originals for j, one in enumerate(all_made) if one.way in WAYS and one.shot != all_made[i].shot
    ]


def _similarities(means: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
    if not pairs:
        return np.zeros(0)
    at = np.array(pairs)
    blocks = range(0, len(at), 256)
    return np.concatenate([dedup.similarity(means[at[k : k + 256, 0]], means[at[k : k + 256, 1]]) for k in blocks])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=1000, help="stretches to use")
    parser.add_argument("--keep", type=Path, help="a .npz that holds the hashes, so that they are made once")
    parser.add_argument("--sample", type=int, default=3000, help="random different pairs to compare")
    arguments = parser.parse_args()
    if arguments.keep and arguments.keep.is_file():
        kept = np.load(arguments.keep)
        columns = (kept[name].tolist() for name in ("clip", "way", "shot"))
        found = [Made(*values, means) for *values, means in zip(*columns, kept["means"], strict=True)]
    else:
        found = list(made(arguments.limit))
        if arguments.keep:
            names = {name: [getattr(one, name) for one in found] for name in ("clip", "way", "shot", "means")}
            np.savez(arguments.keep, **names)
    report(found, arguments.sample)


if __name__ == "__main__":
    main()
