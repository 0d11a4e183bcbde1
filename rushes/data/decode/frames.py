"""Every frame of a file once, however hostile the file: what can be decoded is yielded, what went wrong is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import av.container
import av.error
import av.video.stream
import numpy as np
from av.stream import Disposition

from rushes.errors import InputError
from rushes.media import metadata
from rushes.media.probe import FORMATS

MAX_BROKEN_SHARE = 0.1
_STILL_FORMATS = ("_pipe", "image2")


@dataclass(slots=True, kw_only=True)
class Reading:
    """One pass over a file: `raw_s` fills with each frame's own time (seconds, NaN where it has none).

    `rate` is the header's fps and `gap_s` the seconds between frames that it promises, 1/25 where it promises nothing.
    """

    path: Path
    container: str = ""
    codec: str = ""
    rate: Fraction = Fraction(0)
    gap_s: float = 0.04
    claimed_frames: int = 0
    is_still: bool = False
    raw_s: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    num_bad_packets: int = 0


def read(reading: Reading, *, skip_loop_filter: str, skip_from_px: int, threads: int) -> Iterator[av.VideoFrame]:
    """Yield the frames of `reading.path` in display order, on `threads` threads; `reading` fills meanwhile.

    `skip_loop_filter` names FFmpeg's class of frames that go without deblocking, in films whose short side is at
    least `skip_from_px` pixels. A packet that cannot be decoded is counted and passed over; the end of a file that
    is cut short is the end.

    Raises:
        InputError: missing, empty, no film, or no stream of pictures.
    """
    path = reading.path
    metadata.require_file(path)
    options = {"format_whitelist": FORMATS}
    try:
        container = av.open(str(path.absolute()), options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise InputError(f"{shown(path)} is no film, or is cut short ({error.strerror})") from None
    with container:
        stream = _pictures(path, container)
        reading.container = _format_name(container.format.name)
        reading.codec = stream.codec_context.name
        reading.rate = Fraction(stream.average_rate or stream.guessed_rate or 0)
        if 0 < reading.rate <= 1000:
            reading.gap_s = float(1 / reading.rate)
        reading.is_still = container.format.name.endswith(_STILL_FORMATS)
        reading.claimed_frames = stream.frames
        _note_missing_bytes(reading, stream)
        stream.thread_type = "NONE" if threads == 1 else "AUTO"
        stream.codec_context.thread_count = threads
        if min(stream.width, stream.height) >= skip_from_px:
            stream.codec_context.options = {"skip_loop_filter": skip_loop_filter}
        for packet in _packets(reading, container, stream):
            try:
                decoded = packet.decode()
            except av.error.FFmpegError as error:
                if not reading.num_bad_packets:
                    reading.problems.append(f"damaged after frame {len(reading.raw_s)} ({error.strerror})")
                reading.num_bad_packets += 1
                continue
            for frame in decoded:
                reading.raw_s.append(float("nan") if frame.time is None else frame.time)
                yield frame


def shown(path: Path) -> str:
    """Return the name of a file in letters that can be printed, whatever bytes and line breaks it holds."""
    name = path.name.encode("utf-8", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name)


def _format_name(name: str) -> str:
    return "mp4" if "mp4" in name.split(",") else name.removesuffix("_pipe")


def _pictures(path: Path, container: av.container.InputContainer) -> av.video.stream.VideoStream:
    """Return the first stream of pictures that is no cover."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        others = sorted({s.type for s in container.streams if s.type != "video"})
        covers = ["a cover"] if container.streams.video else []
        raise InputError(f"{shown(path)} holds no film, only {', '.join(others + covers) or 'nothing'}")
    return streams[0]


def _note_missing_bytes(reading: Reading, stream: av.video.stream.VideoStream) -> None:
    """An mp4 with its index in front opens well when cut: the index then names bytes past the end."""
    entries, size = stream.index_entries, reading.path.stat().st_size
    if len(entries) and (last := entries[-1]).pos + last.size > size:
        reading.problems.append(f"cut short: its last frame ends at byte {last.pos + last.size} of {size}")


def _packets(
    reading: Reading, container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> Iterator[av.Packet]:
    """Yield the packets up to the first that cannot be read, then the empty one that flushes the decoder."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            reading.problems.append(f"unreadable after frame {len(reading.raw_s)} ({error.strerror})")
            flush = av.Packet()
            flush.stream = stream
            yield flush
            return
        if packet is None:
            return
        yield packet


def repaired(raw_s: np.ndarray, gap_s: float) -> tuple[np.ndarray, str]:
    """Return times that increase strictly from 0 or later (float64 `[n]`, seconds), and what was done to get them.

    A few bad ones lie evenly between their good neighbours; where more than a tenth is bad, or none is good, every
    time is its frame's number times `gap_s`. Times below 0 are moved up together. Good times stay as they are.
    """
    count = len(raw_s)
    known = np.where(np.isfinite(raw_s), raw_s, -np.inf)
    before = np.maximum.accumulate(np.concatenate([[-np.inf], known[:-1]]))
    is_good = np.isfinite(raw_s) & (known > before)
    num_bad = int(count - is_good.sum())
    if num_bad > MAX_BROKEN_SHARE * count:
        return np.arange(count) * gap_s, f"{num_bad} of {count} times are missing or out of order: frames were counted"
    times_s, said = raw_s.astype(np.float64), []
    if num_bad:
        good = np.flatnonzero(is_good)
        where = np.arange(count)
        times_s = np.interp(where, good, raw_s[good])
        times_s[: good[0]] -= (good[0] - where[: good[0]]) * gap_s
        times_s[good[-1] + 1 :] += (where[good[-1] + 1 :] - good[-1]) * gap_s
        said.append(f"{num_bad} of {count} times are missing or out of order: put between their neighbours")
    if count and times_s[0] < 0:
        said.append(f"times start at {times_s[0]:.3f} s: moved to 0")
        times_s = times_s - times_s[0]
    return times_s, "; ".join(said)
