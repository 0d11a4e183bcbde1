"""What one decode of a source leaves behind: a number or two per frame, and small pictures, for every later stage."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from rushes.data.decode import frames, signals
from rushes.errors import InputError
from rushes.media.probe import Probe
from rushes.types import Clip, Span

WATCH_EVERY = 64
HELD_BYTES = 4 << 20  # of decoded frames that wait: more would leave the cache before they are looked at

Watch = Callable[[int, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisConfig:
    """How a source is measured: pictures fit within `picture_width` x `picture_height` px; rates are per second.

    Frames of the class that `skip_loop_filter` names go without H.264's and HEVC's deblocking, which analysis does
    not miss, in films whose short side is at least `skip_from_px` pixels; `threads` is what one source may use.
    """

    pictures_per_s: float = 4.0
    picture_width: int = 320
    picture_height: int = 192
    picture_quality: int = 85
    motion_per_s: float = 6.0
    sharpness_per_s: float = 1.0
    skip_loop_filter: Literal["none", "noref", "bidir", "nokey", "all"] = "bidir"
    skip_from_px: int = 240
    threads: int = 1

    def __post_init__(self) -> None:
        for name, least in (("picture_width", 1), ("picture_height", 1), ("picture_quality", 1), ("threads", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; the nearest legal value is {least}")
        for name in ("pictures_per_s", "motion_per_s", "sharpness_per_s"):
            if not getattr(self, name) >= 0.1:
                raise InputError(f"{name} is {getattr(self, name)}; the nearest legal value is 0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Small frames kept as JPEG: `times_s` float64 `[m]` on the source's timeline, `jpegs` as many byte strings."""

    times_s: np.ndarray
    jpegs: tuple[bytes, ...]

    def within(self, span: Span) -> Pictures:
        """Return those that lie in `span`."""
        chosen = np.flatnonzero((self.times_s >= float(span.start_s)) & (self.times_s < float(span.end_s)))
        return Pictures(times_s=self.times_s[chosen], jpegs=tuple(self.jpegs[i] for i in chosen))


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One source, measured: frame i is shown at `times_s[i]` (float64, seconds, strictly increasing from 0 or later).

    `signals` by name have one row per frame: float32 `[n]`, or `[n k]` for `bars`, `thumb` and `histogram` (uint8);
    what is not measured on every frame is NaN in between. `outcome` is `ok`, or `damaged` when the file holds less
    than it should; `reason` says why, or what was put right. With `is_repaired` the times are not the file's own, so
    a frame is found by counting and not by its timestamp.
    """

    probe: Probe
    times_s: np.ndarray
    signals: Mapping[str, np.ndarray]
    pictures: Pictures
    outcome: str = "ok"
    reason: str = ""
    is_repaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a stage sees of one clip: the analysis of its source, cut to its span."""

    clip: Clip
    analysis: Analysis


def view(clip: Clip, analysis: Analysis) -> View:
    """Cut the analysis of a source to one of its clips."""
    inside = (analysis.times_s >= float(clip.span.start_s)) & (analysis.times_s < float(clip.span.end_s))
    cut = Analysis(
        probe=analysis.probe,
        times_s=analysis.times_s[inside],
        signals={name: values[inside] for name, values in analysis.signals.items()},
        pictures=analysis.pictures.within(clip.span),
        outcome=analysis.outcome,
        reason=analysis.reason,
        is_repaired=analysis.is_repaired,
    )
    return View(clip=clip, analysis=cut)


def analyse(path: Path, *, config: AnalysisConfig | None = None, watch: Watch | None = None) -> Analysis:
    """Decode the film at `path` once and return its signals and pictures; `watch(frames, seconds of film)` may look on.

    No frame is kept: memory is the decoder's and HELD_BYTES, plus about 650 bytes a frame and the JPEGs. A file that is
    damaged or cut short is measured as far as it can be decoded.

    Raises:
        InputError: missing, empty, no film, no stream of pictures, or not one frame that can be decoded.
    """
    config = config or AnalysisConfig()
    cv2.setNumThreads(config.threads)
    reading = frames.Reading(path=path)
    measured, taken, first_size, pix_fmt, rotation = None, _Taken(config), (0, 0), "", 0
    reformatter = VideoReformatter()
    decoded = frames.read(
        reading,
        skip_loop_filter=config.skip_loop_filter,
        skip_from_px=config.skip_from_px,
        threads=config.threads,
    )
    for index, frame in enumerate(_together(decoded)):
        found = signals.planes(frame, reformatter)
        if measured is None:
            measured = signals.Signals(
                found,
                fps=1 / reading.gap_s,
                motion_per_s=config.motion_per_s,
                sharpness_per_s=config.sharpness_per_s,
            )
            first_size = found.luma.shape[:: -1 if found.turns % 2 else 1]
            pix_fmt, rotation = frame.format.name, -frame.rotation % 360
        measured.add(found)
        now_s = taken.look(index, reading, found)
        if watch and index % WATCH_EVERY == 0:
            watch(index, now_s)
    if measured is None:
        problems = "; ".join(reading.problems) or "it holds none"
        raise InputError(f"{frames.shown(path)} has no frame that can be decoded ({problems})")
    raw_s = np.array(reading.raw_s)
    times_s, repair = frames.repaired(raw_s, reading.gap_s)
    if watch:
        watch(len(times_s), float(times_s[-1]))
    return Analysis(
        probe=_probe(reading, times_s, first_size, pix_fmt, rotation),
        times_s=times_s,
        signals=measured.finish(),
        pictures=Pictures(times_s=times_s[taken.indices], jpegs=tuple(taken.jpegs)),
        outcome="damaged" if reading.problems else "ok",
        reason="; ".join([*reading.problems, *_remarks(reading, len(times_s)), *([repair] if repair else [])]),
        is_repaired=bool(repair),
    )


def _together(decoded: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Yield the frames, several decoded before the first of them is looked at.

    The decoder and our code drive each other out of the processor's caches; taking turns less often costs both less.
    """
    waiting: list[av.VideoFrame] = []
    held_bytes = 0
    for frame in decoded:
        waiting.append(frame)
        held_bytes += 2 * frame.width * frame.height
        if len(waiting) == signals.MEASURE_TOGETHER or held_bytes >= HELD_BYTES:
            yield from waiting
            waiting.clear()
            held_bytes = 0
    yield from waiting


class _Taken:
    """The pictures taken so far, by the index of their frame: their times are known when all are."""

    def __init__(self, config: AnalysisConfig) -> None:
        self.indices: list[int] = []
        self.jpegs: list[bytes] = []
        self._config = config
        self._last_s = self._next_s = -math.inf

    def look(self, index: int, reading: frames.Reading, found: signals.Planes) -> float:
        """Take a picture of the frame if one is due; return its time as far as it can be trusted by now."""
        raw_s = reading.raw_s[index]
        now_s = raw_s if raw_s > self._last_s else max(self._last_s, 0.0) + reading.gap_s
        self._last_s = now_s
        # Half a frame early: the nearest frame is taken, and a clock of 1/24 s never drifts against 1/4 s.
        if now_s + reading.gap_s / 2 >= self._next_s:
            every_s = 1 / self._config.pictures_per_s
            self._next_s = now_s + every_s if self._next_s < now_s - every_s else self._next_s + every_s
            self.indices.append(index)
            self.jpegs.append(signals.picture(found, self._size(found), self._config.picture_quality))
        return now_s

    def _size(self, found: signals.Planes) -> tuple[int, int]:
        height, width = found.luma.shape
        most = (self._config.picture_width, self._config.picture_height)
        return signals.fit(width, height, *most[:: -1 if found.turns % 2 else 1])


def _probe(reading: frames.Reading, times_s: np.ndarray, size: tuple[int, int], pix_fmt: str, rotation: int) -> Probe:
    """Return what the file turned out to be; what was decoded outweighs what the header says."""
    count, gap_s = len(times_s), reading.gap_s
    if count > 1:
        gap_s = float(times_s[-1] - times_s[0]) / (count - 1)
    is_as_promised = reading.rate > 0 and abs(gap_s * float(reading.rate) - 1) < 0.02
    fps = reading.rate if is_as_promised else Fraction(1 / gap_s).limit_denominator(1001)
    return Probe(
        container=reading.container,
        codec=reading.codec,
        width=size[1],
        height=size[0],
        fps=Fraction(0) if reading.is_still else fps,
        num_frames=count,
        duration_s=0.0 if reading.is_still else float(times_s[-1] - times_s[0]) + gap_s,
        pix_fmt=pix_fmt,
        rotation=rotation,
    )


def _remarks(reading: frames.Reading, count: int) -> list[str]:
    """Return how the file differs from its header; edit lists and careless writers do that to whole films too."""
    remarks = []
    if reading.num_bad_packets > 1:
        remarks.append(f"{reading.num_bad_packets} packets could not be decoded")
    if reading.claimed_frames and abs(count - reading.claimed_frames) > 1:
        remarks.append(f"{count} frames came where the header promises {reading.claimed_frames}")
    elif reading.problems:
        remarks.append(f"{count} frames came")
    return remarks
