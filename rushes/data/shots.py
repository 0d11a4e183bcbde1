"""Shots from signals alone: where a film cuts, dissolves and fades, and which spans in between become clips.

Nothing is decoded here, so another threshold costs seconds. All distances are between the 24x14 thumbnails (mean
absolute difference of luma and chroma, in levels) and between the histograms (Hellinger's, 0 to 1).

- A cut is one step as large as the whole change around it, and both sides stay what they are for a few frames: after a
  flash the frames before and behind agree, in a fast pan the steps before and behind are as large.
- A dissolve is a straight line between two frames that have little in common: what lies between is their mixture, and
  mixing two pictures takes detail away. Source: the linear model of Alattar 1993, Detecting and compressing dissolve
  regions in video sequences with a DVI multimedia image compression algorithm, equation 1.
- A fade is a straight line to or from a picture without contrast; out and in again are one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from rushes.data.decode.analysis import Analysis
from rushes.data.decode.signals import THUMB
from rushes.errors import InputError
from rushes.types import Span

# Frames before and behind a step that must differ if it is a cut: near ones, and far ones that see across a flash.
_PAIRS = ((1, 0), (1, 1), (2, 0), (2, 1), (1, 3), (4, 0), (1, 4), (5, 0), (3, 2), (2, 3))
_NEIGHBOURS = 6
_LENGTHS = (5, 7, 10, 14, 19, 25, 32)  # steps of a mixture; longer ones are found by their middle
_LUMA = THUMB[0] * THUMB[1]
_MIDDLE = slice(3 * THUMB[0], _LUMA - 3 * THUMB[0])  # rows that letterbox bars leave
_SAME_SCENE = 0.85  # correlation; across a real cut it hardly passes 0.7
_CROOKED = 5.0  # no mixture goes a longer way than this many times the straight one
_FLAT = 0.35  # a picture with less than this share of another's contrast has next to none
_FLAT_LEVELS = 5.0  # and at most this standard deviation
_HOLD = 12  # frames that a fade may stay at its black or white
_BLOCK = 4096  # frames measured together, so that memory stays flat
_MARGIN = 64

Kind = Literal["cut", "dissolve", "fade"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotConfig:
    """What becomes a clip, and what counts as a transition.

    Clips last `min_s` to `max_s` seconds; `trim_frames` are left out beside each cut. `cut_levels` is the least step
    of a cut, `cut_histogram` the least distance of its histograms and `cut_ratio` how often it outdoes the steps
    around; `mix_levels` is the least distance between the two ends of a dissolve or fade, and `mix_score` how sure a
    dissolve has to be (log odds).
    """

    min_s: float = 2.0
    max_s: float = 16.0
    trim_frames: int = 4
    cut_levels: float = 6.0
    cut_histogram: float = 0.07
    cut_ratio: float = 3.0
    mix_levels: float = 8.0
    mix_score: float = 3.0

    def __post_init__(self) -> None:
        if not self.min_s > 0:
            raise InputError(f"min_s is {self.min_s:g}; the nearest legal value is above 0")
        if self.max_s < 2 * self.min_s:
            # A shot a little longer than max_s is divided in two, and both have to be long enough.
            raise InputError(f"max_s is {self.max_s:g}; the nearest legal value is {2 * self.min_s:g}, twice min_s")
        if self.trim_frames < 0:
            raise InputError(f"trim_frames is {self.trim_frames}; the nearest legal value is 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """Frames `start` to `end` (half-open) belong to no shot alone; a cut is empty and stands before frame `start`."""

    kind: Kind
    start: int
    end: int


def transitions(signals: Mapping[str, np.ndarray], config: ShotConfig | None = None) -> list[Transition]:
    """Return the transitions of a source in order; they never overlap.

    `signals` holds `thumb` (uint8 `[n 504]`), `histogram` (uint8 `[n 64]`) and `detail` (float32 `[n]`).
    """
    config = config or ShotConfig()
    count = len(signals["thumb"])
    found: list[Transition] = []
    for first in range(0, count, _BLOCK):
        # Blocks overlap by a margin on both sides; each answers for the transitions that start in its own frames.
        low, high = max(0, first - _MARGIN), min(count, first + _BLOCK + _MARGIN)
        block = _Block({name: signals[name][low:high] for name in ("thumb", "histogram", "detail")})
        for one in block.transitions(config):
            moved = Transition(kind=one.kind, start=one.start + low, end=one.end + low)
            if first <= moved.start < first + _BLOCK and (not found or moved.start >= found[-1].end):
                found.append(moved)
    return found


def split(analysis: Analysis, config: ShotConfig | None = None) -> list[Span]:
    """Return the spans that become clips, in order: shots without their transitions, long ones divided evenly.

    Starts and ends are times of frames, exact: `float(span.start_s)` is an entry of `times_s`, and so is the end but
    for the last clip, which ends one frame's duration behind the last frame.
    """
    config = config or ShotConfig()
    count = len(analysis.times_s)
    if count < 2:
        return []
    gap_s = float(analysis.times_s[-1] - analysis.times_s[0]) / (count - 1)
    times_s = [*map(_exact, analysis.times_s.tolist()), _exact(float(analysis.times_s[-1]) + gap_s)]
    spans: list[Span] = []
    for first, end in _shots(transitions(analysis.signals, config), count, config.trim_frames):
        spans += _divided(times_s, first, end, config)
    return spans


def _exact(time_s: float) -> Fraction:
    """Return the fraction that a time stands for; containers count in at most 1/1,000,000 s."""
    near = Fraction(time_s).limit_denominator(1_000_000)
    return near if float(near) == time_s else Fraction(time_s)


def _shots(found: list[Transition], count: int, trim: int) -> Iterator[tuple[int, int]]:
    """Yield (first, end) of each shot, half-open, without its transitions and the frames trimmed at cuts."""
    first = 0
    for one in [*found, Transition(kind="fade", start=count, end=count)]:
        margin = trim if one.kind == "cut" else 0
        if one.start - margin > first:
            yield first, one.start - margin
        first = one.end + margin


def _divided(times_s: list[Fraction], first: int, end: int, config: ShotConfig) -> Iterator[Span]:
    """Yield the clips of one shot: equal numbers of frames, as few clips as `max_s` allows."""
    duration_s = float(times_s[end] - times_s[first])
    if duration_s < config.min_s:
        return
    parts = max(1, math.floor(duration_s / config.max_s))
    while True:
        edges = [first + round(i * (end - first) / parts) for i in range(parts + 1)]
        pairs = list(itertools.pairwise(edges))
        if parts == end - first or all(times_s[stop] - times_s[start] <= config.max_s for start, stop in pairs):
            break
        parts += 1
    for start, stop in pairs:
        if config.min_s <= times_s[stop] - times_s[start] <= config.max_s:
            yield Span(start_s=times_s[start], end_s=times_s[stop])


def correlation(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of pictures with the same index (levels `[m k]`), near 0 where one is flat."""
    a, b = (picture - picture.mean(1, keepdims=True) for picture in (before, after))
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1) + 4.0 * a.shape[1])


class _Block:
    """The distances of a stretch of frames, and the transitions in it."""

    def __init__(self, signals: Mapping[str, np.ndarray]) -> None:
        self.thumbs = signals["thumb"].astype(np.float32)
        self.histograms = signals["histogram"].astype(np.float32) / 255
        self.detail = signals["detail"]
        self.count = len(self.thumbs)
        # steps[i] leads from frame i - 1 to frame i.
        self.steps = np.zeros(self.count, np.float32)
        self.steps[1:] = np.abs(np.diff(self.thumbs, axis=0)).mean(1)
        self.spread = self.thumbs[:, _MIDDLE].std(1)

    def transitions(self, config: ShotConfig) -> list[Transition]:
        cuts = self.cuts(config)
        mixtures = self.mixtures(cuts, config)
        found = [Transition(kind="cut", start=cut, end=cut) for cut in cuts] + mixtures
        return sorted(found, key=lambda one: (one.start, one.end))

    def apart(self, before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances of thumbnails (levels) and histograms (0 to 1) of frames, by index."""
        before, after = (np.clip(index, 0, self.count - 1) for index in (before, after))
        roots = self.histograms[before] - self.histograms[after]
        # Three histograms, each at most the square root of 2 apart.
        return np.abs(self.thumbs[before] - self.thumbs[after]).mean(1), np.sqrt((roots * roots).sum(1) / 6)

    def cuts(self, config: ShotConfig) -> list[int]:
        """Return the first frame of each new shot behind a cut."""
        if self.count < 2:
            return []
        steps = self.steps
        padded = np.pad(steps[1:], _NEIGHBOURS, mode="symmetric")
        around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEIGHBOURS + 1)
        around = np.sort(np.delete(around, _NEIGHBOURS, axis=1), axis=1)
        usual, second = around[:, _NEIGHBOURS], around[:, -2]
        step = steps[1:]
        is_likely = (step >= config.cut_levels) & (step >= config.cut_ratio * (usual + 1)) & (step >= 1.3 * second)
        at = np.flatnonzero(is_likely) + 1
        distances = [self.apart(at - before, at + behind) for before, behind in _PAIRS]
        levels = np.min([one for one, _ in distances], axis=0)
        shapes = np.min([one for _, one in distances], axis=0)
        whole, _ = self.apart(at - 3, at + 2)
        is_cut = (levels >= config.cut_levels) & (shapes >= config.cut_histogram)
        is_cut &= (steps[at] >= 0.8 * whole) & (levels >= 0.5 * steps[at])
        # The same picture in another light is a camera that corrects its exposure.
        is_cut &= correlation(self.thumbs[at - 1][:, _MIDDLE], self.thumbs[at][:, _MIDDLE]) < _SAME_SCENE
        return [int(index) for index in at[is_cut]]

    def mixtures(self, cuts: list[int], config: ShotConfig) -> list[Transition]:
        """Return dissolves and fades, no two of which overlap and none of which holds a cut."""
        windows = self.windows(cuts, config.mix_levels)
        if not len(windows):
            return []
        score = mixture_score(windows)
        is_fade = (
            (windows[:, _SPREAD] < _FLAT)
            & (windows[:, _LOW] < _FLAT_LEVELS)
            & (windows[:, _PATH] < 1.6)
            & (windows[:, _OFF] < 0.2)
        )
        is_kept = ((score > config.mix_score) | is_fade) & (windows[:, _STEP] < 0.55)
        score = np.where(is_fade, 4 - 4 * (windows[:, _PATH] - 1) + np.log(windows[:, _LEVELS] / 20), score)
        taken: list[tuple[int, int]] = []
        for index in np.argsort(-score, kind="stable"):
            if not is_kept[index]:
                continue
            first, last = int(windows[index, 0]), int(windows[index, 1])
            if any(first + 1 < other[1] and last > other[0] for other in taken):
                continue
            start, end = self.refined(first, last, cuts)
            if all(end <= other[0] or start >= other[1] for other in taken):
                taken.append((start, end))
        return self.joined(sorted(taken), cuts)

    def windows(self, cuts: list[int], least: float) -> np.ndarray:
        """Return one row for each pair of frames that may be the ends of a mixture, float `[m 11]`."""
        total = np.cumsum(self.steps)
        num_cuts = np.cumsum(np.isin(np.arange(self.count), cuts))
        rows = []
        for length in _LENGTHS:
            start = np.arange(max(0, self.count - length))
            # No way is shorter than the straight one: a quiet stretch needs no look at its ends.
            is_far = (total[start + length] - total[start] >= least) & (num_cuts[start + length] == num_cuts[start])
            start = start[is_far]
            levels, shapes = self.apart(start, start + length)
            chosen = (levels >= least) & (total[start + length] - total[start] <= _CROOKED * levels)
            if chosen.any():
                rows.append(self._window_rows(start[chosen], length, levels[chosen], shapes[chosen], total))
        return np.concatenate(rows) if rows else np.zeros((0, 11))

    def _window_rows(
        self, start: np.ndarray, length: int, levels: np.ndarray, shapes: np.ndarray, total: np.ndarray
    ) -> np.ndarray:
        end = start + length
        first = self.thumbs[start]
        way = self.thumbs[end] - first
        squared = (way * way).sum(1)
        off = np.zeros(len(start))
        for quarter in (1, 2, 3):
            middle = self.thumbs[start + (length * quarter + 2) // 4] - first
            share = (middle * way).sum(1) / squared
            off += np.abs(middle - share[:, None] * way).mean(1) / levels / 3
        alike = correlation(first[:, :_LUMA], self.thumbs[end][:, :_LUMA])
        thirds = np.minimum(self.detail[start + length // 3], self.detail[start + 2 * length // 3])
        lost = np.minimum(thirds, self.detail[start + length // 2])
        lost = lost / (0.5 * (self.detail[start] + self.detail[end]) + 0.5)
        largest = np.max([self.steps[start + k] for k in range(1, length + 1)], axis=0) / levels
        ends = np.sort([self.spread[start], self.spread[end]], axis=0)
        path = (total[end] - total[start]) / levels
        return np.column_stack(
            [start, end, levels, shapes, path, off, alike, lost, largest, ends[0] / (ends[1] + 1), ends[0]]
        )

    def refined(self, start: int, end: int, cuts: list[int]) -> tuple[int, int]:
        """Return (first mixed frame, first frame behind) of the mixture whose window is `start` to `end`."""
        way = self.thumbs[end] - self.thumbs[start]
        usual = 1 / (end - start)

        def progress(index: int) -> float:
            return float((self.thumbs[index] - self.thumbs[index - 1]) @ way / (way @ way)) / usual

        low = max((cut for cut in cuts if cut <= start), default=0)
        high = min((cut for cut in cuts if cut > start), default=self.count) - 1
        low, high = max(low, start - 16), min(high, end + 16)
        while start > low and progress(start) > 0.4:
            start -= 1
        while end < high and progress(end + 1) > 0.4:
            end += 1
        while end - start > 3 and progress(start + 1) < 0.15:
            start += 1
        while end - start > 3 and progress(end) < 0.15:
            end -= 1
        return start + 1, end

    def joined(self, taken: list[tuple[int, int]], cuts: list[int]) -> list[Transition]:
        """Return the transitions; two mixtures that meet in a picture without contrast are one fade."""
        found: list[Transition] = []
        for start, end in taken:
            last = found[-1] if found else None
            if last and start - last.end <= _HOLD and not any(last.end <= cut <= start for cut in cuts):
                sides = self.spread[last.start - 1], self.spread[min(end, self.count - 1)]
                if self.spread[last.end - 1 : start + 1].min() < _FLAT * min(sides):
                    found[-1] = Transition(kind="fade", start=last.start, end=end)
                    continue
            ends = sorted((self.spread[start - 1], self.spread[min(end, self.count - 1)]))
            is_fade = ends[0] < min(_FLAT * ends[1], _FLAT_LEVELS)
            found.append(Transition(kind="fade" if is_fade else "dissolve", start=start, end=end))
        return found


_START, _END, _LEVELS, _SHAPES, _PATH, _OFF, _ALIKE, _LOST, _STEP, _SPREAD, _LOW = range(11)
# Log odds: a constant, then one weight for each of `mixture_features`.
WEIGHTS = (5.69, 2.09, 12.34, -0.58, -12.33, 0.97, -12.74, -1.58)


def mixture_features(windows: np.ndarray) -> np.ndarray:
    """Return what tells dissolves from the rest, float `[m 8]`, the first of them 1."""
    return np.column_stack(
        [
            np.ones(len(windows)),
            np.log(windows[:, _LEVELS]),
            windows[:, _SHAPES],
            np.log(windows[:, _PATH]),
            windows[:, _OFF],
            windows[:, _ALIKE],
            windows[:, _LOST],
            np.log(windows[:, _STEP] * (windows[:, _END] - windows[:, _START])),
        ]
    )


def mixture_score(windows: np.ndarray) -> np.ndarray:
    """Return the log odds that each window is a dissolve, by a logistic regression on composites of real shots."""
    return mixture_features(windows) @ np.array(WEIGHTS)
