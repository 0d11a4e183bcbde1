"""How each clip is cut: whether its packets can be copied, from which keyframe on, or its frames are encoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import av.container
import av.error
import av.video.stream
import numpy as np
from av.stream import Disposition

from rushes.data.decode.analysis import Analysis
from rushes.data.packing import fields
from rushes.errors import InputError
from rushes.media.probe import FORMATS

COPIED_CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4")  # what mp4 holds
Beat = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutConfig:
    """How clips are cut. `early_frames` and `loss_s` say how far a copied clip may leave its span for a keyframe.

    A clip that would last less than `shortest_s` is not copied. `crf` and `preset` are x264's, for clips that are
    encoded; `copy` off encodes every clip.
    """

    copy: bool = True
    early_frames: int = 4
    loss_s: float = 0.25
    shortest_s: float = 1.0
    crf: int = 18
    preset: str = "veryfast"

    def __post_init__(self) -> None:
        if self.early_frames < 0 or self.loss_s < 0:
            raise InputError("early_frames and loss_s are 0 or more")
        if not 0 <= self.crf <= 51:
            raise InputError(f"crf {self.crf} is illegal; the nearest legal value is {0 if self.crf < 0 else 51}")


@dataclass(frozen=True, slots=True)
class Packets:
    """The source's packets in their order: rank of each among the shown frames (-1: never shown), keyframe or not."""

    rank: np.ndarray
    is_key: np.ndarray
    rank_of_pts: dict[int, int]
    is_interlaced: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Frames [first, last) of the source become a clip; packets [begin, end) hold what is needed for it."""

    first: int
    last: int
    how: str
    begin: int = 0
    end: int = 0


def read_packets(path: Path, times_s: np.ndarray, beat: Beat) -> Packets | None:
    """Return the packets where each shown frame is known to be one of them, else None: frames are then counted."""
    pts: list[int] = []
    is_key: list[bool] = []
    is_shown: list[bool] = []
    try:
        with open_packets(path) as container:
            stream = pictures_of(container)
            time_base, is_interlaced = stream.time_base, fields.is_interlaced(stream)
            for packet in container.demux(stream):
                beat(0)
                if packet.size:
                    if packet.pts is None:
                        return None
                    pts.append(packet.pts)
                    is_key.append(packet.is_keyframe)
                    is_shown.append(not packet.is_discard)
    except av.error.FFmpegError:
        return None
    shown = sorted(p for p, show in zip(pts, is_shown, strict=True) if show)
    if not shown or time_base is None or len(shown) != len(times_s) or len(set(shown)) != len(shown):
        return None
    apart = np.array(shown, np.float64) * float(time_base) - times_s
    if np.ptp(apart) > 1e-3:
        return None
    rank_of_pts = {p: i for i, p in enumerate(shown)}
    rank = [rank_of_pts[p] if show else -1 for p, show in zip(pts, is_shown, strict=True)]
    return Packets(np.array(rank), np.array(is_key), rank_of_pts, is_interlaced)


def plan_clip(
    first: int, last: int, floor: int, packets: Packets | None, analysis: Analysis, config: CutConfig
) -> Plan:
    if packets is None:
        return Plan(first, last, "whole")
    if config.copy and analysis.probe.codec in COPIED_CODECS and not packets.is_interlaced:
        copied = _plan_copy(first, last, floor, packets, analysis.times_s, config)
        if copied is not None:
            return copied
    keys = np.flatnonzero(packets.is_key & (packets.rank >= 0) & (packets.rank <= first))
    begin = int(keys[-1]) if len(keys) else 0
    needed = np.flatnonzero((packets.rank >= first) & (packets.rank < last))
    return Plan(first, last, "whole", begin, int(needed[-1]) + 1)


def _plan_copy(
    first: int, last: int, floor: int, packets: Packets, times_s: np.ndarray, config: CutConfig
) -> Plan | None:
    """Return the plan of the keyframe nearest to the span's start that loses little enough, or None."""
    keys = np.flatnonzero(packets.is_key & (packets.rank >= max(floor, first - config.early_frames)))
    keys = keys[packets.rank[keys] < last]
    for begin in sorted(keys.tolist(), key=lambda i: abs(int(packets.rank[i]) - first)):
        start = int(packets.rank[begin])
        stop, end = _closed_end(packets.rank, begin, start, last)
        if stop <= start:
            continue
        lost_s = max(0.0, times_s[start] - times_s[first]) + times_s[last - 1] - times_s[stop - 1]
        length_s = (times_s[stop - 1] - times_s[start]) * (1 + 1 / max(1, stop - start - 1))
        if lost_s <= config.loss_s and length_s >= config.shortest_s - 1e-6:
            return Plan(start, stop, "copy", begin, end)
    return None


def _closed_end(rank: np.ndarray, begin: int, start: int, last: int) -> tuple[int, int]:
    """Return the largest `stop` <= last such that packets [begin, end) show frames [start, stop) and none besides.

    Pictures that lead the keyframe are left out; a packet that is decoded but never shown ends the stretch.
    """
    count, highest, best = 0, start - 1, (start, begin)
    for index in range(begin, len(rank)):
        if rank[index] < 0 or count > last - start + 64:
            break
        if rank[index] >= start:
            count, highest = count + 1, max(highest, int(rank[index]))
        if highest == start + count - 1 and start + count <= last:
            best = (start + count, index + 1)
    return best


def open_packets(path: Path) -> av.container.InputContainer:
    return av.open(str(path.absolute()), options={"format_whitelist": FORMATS}, metadata_errors="replace")


def pictures_of(container: av.container.InputContainer) -> av.video.stream.VideoStream:
    return next(s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
