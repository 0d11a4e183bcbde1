"""Clips are cut out of their source: packets copied where keyframes allow, else frames encoded again, chosen per clip.

The source is read once more, packet by packet; only the frames of clips that cannot be copied are decoded. A copied
clip begins at a keyframe: at most `early_frames` before its span (what shots trim at a cut) or a little after it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.error
import av.video.stream
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from rushes.data.decode import frames as all_frames
from rushes.data.decode.analysis import Analysis
from rushes.data.packing.cut_plan import (
    Beat,
    CutConfig,
    Packets,
    Plan,
    open_packets,
    pictures_of,
    plan_clip,
    read_packets,
)
from rushes.data.packing.fields import Fields
from rushes.errors import InputError, RushesError
from rushes.media.probe import probe
from rushes.types import Clip, Span, VideoShape

TICKS_PER_S = 90_000
STEADY = 0.1  # of a frame: how far a time may lie from an even grid that still counts as steady
_MUXING = {"movflags": "faststart", "fflags": "bitexact"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One finished clip: the file at `path` holds exactly its frames; `how` is copy or whole."""

    clip: Clip
    path: Path
    how: str
    codec: str
    keyframes: int


def clip_id(source: str, span: Span) -> str:
    """Return 32 hexadecimal digits: a hash of the source's SHA-256 and the span."""
    return hashlib.sha256(f"{source} {span.start_s} {span.end_s}".encode()).hexdigest()[:32]


def cut(
    path: Path, source: str, analysis: Analysis, spans: Sequence[Span], config: CutConfig, folder: Path, beat: Beat
) -> tuple[list[Cut], list[str]]:
    """Cut `spans` (in order, apart from each other) out of the film at `path` into files in `folder`.

    Returns the clips and, for spans that gave none, why. Audio is left out. A copied clip keeps its rotation as a tag,
    an encoded one is turned upright; bars stay. Sides are made even by leaving out a row or a column.

    Raises:
        RushesError: the disk is full, or a clip could not be written for another reason of the system's.
    """
    times_s = analysis.times_s
    packets = read_packets(path, times_s, beat) if spans and not analysis.is_repaired else None
    plans: list[Plan] = []
    for span in spans:
        first, last = (int(i) for i in np.searchsorted(times_s, [float(span.start_s), float(span.end_s)]))
        if last > first:
            floor = plans[-1].last if plans else 0
            plans.append(plan_clip(first, last, floor, packets, analysis, config))
    job = _Job(path, source, analysis, config, folder, beat, packets is not None and packets.is_interlaced)
    made: dict[int, Cut] = {}
    problems: list[str] = []
    copied = [i for i, plan in enumerate(plans) if plan.how == "copy"]
    if copied and packets is not None:
        made.update(_copy(job, {i: plans[i] for i in copied}, packets))
    left = {i: plan for i, plan in enumerate(plans) if i not in made}
    if left:
        made.update(_encode(job, left, packets, problems))
    return [made[i] for i in sorted(made)], problems


# Making the files


@dataclass(frozen=True, slots=True)
class _Job:
    path: Path
    source: str
    analysis: Analysis
    config: CutConfig
    folder: Path
    beat: Beat
    is_interlaced: bool

    def target(self, index: int) -> Path:
        return self.folder / f"{index:06d}.mp4"

    def span(self, plan: Plan) -> Span:
        """Return the span of frames [first, last) exactly: a tick at or just before the first, up to the next frame."""
        times_s = self.analysis.times_s
        end_s = times_s[plan.last] if plan.last < len(times_s) else times_s[-1] + self.gap_s(plan)
        ticks = [int(np.floor(seconds * TICKS_PER_S)) for seconds in (times_s[plan.first], end_s)]
        return Span(start_s=Fraction(ticks[0], TICKS_PER_S), end_s=Fraction(ticks[1], TICKS_PER_S))

    def gap_s(self, plan: Plan) -> float:
        return float(1 / (self.rate(plan) or Fraction(25)))

    def rate(self, plan: Plan) -> Fraction:
        """Return the frames per second of a clip: the header's where the times agree with it, else as measured."""
        times_s = self.analysis.times_s[plan.first : plan.last]
        claimed = self.analysis.probe.fps
        if len(times_s) < 2:
            return claimed if 0 < claimed <= 1000 else Fraction(25)
        measured = (len(times_s) - 1) / float(times_s[-1] - times_s[0])
        if claimed and abs(measured / float(claimed) - 1) * len(times_s) < 1:
            return claimed
        return Fraction(measured).limit_denominator(1001) or Fraction(1, 1001)

    def finish(self, index: int, plan: Plan, keyframes: int) -> Cut:
        """Check the file of a clip and describe it.

        Raises:
            InputError: the file does not hold what was planned.
        """
        path, span = self.target(index), self.span(plan)
        found = probe(path)
        if found.num_frames != plan.last - plan.first:
            raise InputError(f"it came out with {found.num_frames} frames instead of {plan.last - plan.first}")
        shape = VideoShape(frames=found.num_frames, height=found.height, width=found.width)
        clip = Clip(id=clip_id(self.source, span), source=self.source, span=span, shape=shape, fps=self.rate(plan))
        return Cut(clip=clip, path=path, how=plan.how, codec=found.codec, keyframes=keyframes)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell a disk that is full or broken, which ends the run, from packets and frames that make no film."""
    try:
        yield
    except (OSError, ValueError, av.error.FFmpegError) as error:
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ENOENT):
            raise RushesError(f"could not write {path}: {getattr(error, 'strerror', None) or error}") from None
        raise InputError(f"it could not be written ({getattr(error, 'strerror', None) or error})") from None


def _copy(job: _Job, plans: dict[int, Plan], packets: Packets) -> dict[int, Cut]:
    """Return the clips that could be copied; those that come out wrong are left to be encoded."""
    made: dict[int, Cut] = {}
    with open_packets(job.path) as container:
        stream = pictures_of(container)
        waiting = sorted(plans.items(), key=lambda item: item[1].begin)
        active: dict[int, _Remux] = {}
        ordinal = -1
        for packet in container.demux(stream):
            if not packet.size:
                continue
            ordinal += 1
            while waiting and waiting[0][1].begin <= ordinal:
                index, plan = waiting.pop(0)
                active[index] = _Remux(job.target(index), plan)
            job.beat(0)
            for index, remux in list(active.items()):
                try:
                    remux.add(packet, stream, is_shown=packets.rank[ordinal] >= remux.plan.first)
                    if ordinal + 1 == remux.plan.end:
                        remux.close()
                        made[index] = job.finish(index, remux.plan, remux.keyframes)
                        del active[index]
                except InputError:  # some streams make no film outside their own file; encoding always works
                    del active[index]
            if not waiting and not active:
                break
        for remux in active.values():
            remux.close()
    return made


class _Remux:
    """One clip that packets are copied to; its first shown frame is at 0."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.plan, self.keyframes, self._path = plan, 0, path
        self._container: av.container.OutputContainer | None = None
        self._start = 0

    def add(self, packet: av.Packet, stream: av.video.stream.VideoStream, *, is_shown: bool) -> None:
        """Write a packet of `stream`, which stays as it was; one that is not shown is left out.

        Raises:
            InputError: an mp4 cannot hold it.
        """
        if not is_shown:
            return
        with _writing(self._path):
            if self._container is None:
                self._start = cast(int, packet.pts)
                self._container = av.open(str(self._path), "w", format="mp4", options=_MUXING)
                self._stream = self._container.add_stream_from_template(stream, opaque=True)
                self._stream.metadata.clear()
            copy = av.Packet(bytes(packet))
            copy.time_base, copy.duration, copy.is_keyframe = packet.time_base, packet.duration, packet.is_keyframe
            copy.pts = cast(int, packet.pts) - self._start
            copy.dts = None if packet.dts is None else packet.dts - self._start
            copy.stream = self._stream
            self.keyframes += packet.is_keyframe
            self._container.mux_one(copy)

    def close(self) -> None:
        with _writing(self._path):
            if self._container is not None:
                self._container.close()


def _encode(job: _Job, plans: dict[int, Plan], packets: Packets | None, problems: list[str]) -> dict[int, Cut]:
    """Return the clips that were decoded and encoded; say in `problems` what became of the others."""
    made: dict[int, Cut] = {}
    plans = {index: Plan(plan.first, plan.last, "whole", plan.begin, plan.end) for index, plan in plans.items()}
    waiting = sorted(plans.items(), key=lambda item: item[1].first)
    if packets is not None and any(plan.end == 0 for _, plan in waiting):
        packets = None
    source = _counted(job) if packets is None else _wanted(job, waiting, packets)
    active: dict[int, _Encoder] = {}
    for rank, frame in source:
        job.beat(0)
        while waiting and waiting[0][1].first <= rank:
            index, plan = waiting.pop(0)
            active[index] = _Encoder(job, index, plan)
        for index, encoder in list(active.items()):
            try:
                encoder.add(rank, frame)
                if rank + 1 >= encoder.plan.last:
                    del active[index]
                    made[index] = encoder.finish()
            except InputError as error:
                active.pop(index, None)
                problems.append(f"frames {encoder.plan.first} to {encoder.plan.last}: {error}")
        if not waiting and not active:
            break
    for index, encoder in active.items():
        try:
            made[index] = encoder.finish()
        except InputError as error:
            problems.append(f"frames {encoder.plan.first} to {encoder.plan.last}: {error}")
    problems += [f"frames {plan.first} to {plan.last} could not be decoded again" for _, plan in waiting]
    return made


def _counted(job: _Job) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield (rank, frame) of the whole film, read exactly as the analysis read it."""
    reading = all_frames.Reading(path=job.path)
    yield from enumerate(all_frames.read(reading, skip_loop_filter="default", skip_from_px=1 << 30, threads=1))


def _wanted(job: _Job, waiting: Sequence[tuple[int, Plan]], packets: Packets) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield (rank, frame) of the stretches of packets that clips need, each decoded from its keyframe on."""
    stretches = _merged([(plan.begin, plan.end) for _, plan in waiting])
    with open_packets(job.path) as container:
        stream = pictures_of(container)
        stream.thread_type = "NONE"
        decoder, ordinal = stream.codec_context, -1
        for packet in container.demux(stream):
            if not stretches:
                return
            ordinal += 1 if packet.size else 0
            begin, end = stretches[0]
            if not packet.size or ordinal < begin:
                continue
            found = list(_decoded(decoder, packet))
            if ordinal + 1 == end:
                found += _decoded(decoder, None)
                decoder.flush_buffers()
                stretches.pop(0)
            for frame in found:
                rank = packets.rank_of_pts.get(cast(int, frame.pts), -1)
                if rank >= 0:
                    yield rank, frame


def _decoded(decoder: av.VideoCodecContext, packet: av.Packet | None) -> list[av.VideoFrame]:
    try:
        return decoder.decode(packet)
    except av.error.FFmpegError:
        return []  # the clip will lack a frame, and be told so


def _merged(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(stretches):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


class _Encoder:
    """One clip that frames are encoded to: H.264, 8-bit 4:2:0, closed groups, index in front, one thread."""

    def __init__(self, job: _Job, index: int, plan: Plan) -> None:
        self.plan, self._keyframes, self._path, self._job, self._index = plan, 0, job.target(index), job, index
        self._container: av.container.OutputContainer | None = None
        self._reformatter, self._next, self._encoded = VideoReformatter(), plan.first, plan.first
        self._fields = Fields(is_interlaced=job.is_interlaced)
        times_s = job.analysis.times_s[plan.first : plan.last]
        self._rate = job.rate(plan)
        even_s = times_s[0] + np.arange(len(times_s)) / float(self._rate)
        if np.abs(times_s - even_s).max() <= STEADY / float(self._rate):
            self._tick_s, self._ticks = 1 / self._rate, np.arange(len(times_s))
        else:
            self._tick_s = Fraction(1, TICKS_PER_S)
            self._ticks = np.round((times_s - times_s[0]) * TICKS_PER_S).astype(np.int64)

    def add(self, rank: int, frame: av.VideoFrame) -> None:
        """Encode a frame if it is the next of this clip; others belong to a neighbour.

        Raises:
            InputError: the frame has no pixels left once its sides are even.
        """
        if rank != self._next or rank >= self.plan.last:
            return
        self._next += 1
        with _writing(self._path):
            whole = self._fields.add(frame)
        self._encode(whole)

    def _encode(self, whole: list[av.VideoFrame]) -> None:
        for frame in whole:
            picture = _upright(self._reformatter, frame)
            with _writing(self._path):
                if self._container is None:
                    self._open(picture)
                elif (picture.width, picture.height) != (self._stream.width, self._stream.height):
                    picture = self._reformatter.reformat(picture, width=self._stream.width, height=self._stream.height)
                self._time(picture)
                self._write(self._stream.encode(picture))

    def _time(self, picture: av.VideoFrame) -> None:
        index = self._encoded - self.plan.first
        self._encoded += 1
        picture.pts, picture.time_base = int(self._ticks[index]), self._tick_s
        picture.pict_type = av.video.frame.PictureType.NONE
        if index + 1 < len(self._ticks):
            picture.duration = int(self._ticks[index + 1] - self._ticks[index])
        else:
            picture.duration = max(1, round(1 / (self._rate * self._tick_s)))

    def _open(self, picture: av.VideoFrame) -> None:
        self._container = av.open(str(self._path), "w", format="mp4", options=_MUXING)
        options = {
            "preset": self._job.config.preset,
            "crf": str(self._job.config.crf),
            "threads": "1",
            "x264-params": "rc-lookahead=10:sync-lookahead=0",
        }
        stream = self._container.add_stream("libx264", rate=self._rate, options=options)
        self._stream = cast(av.video.stream.VideoStream, stream)
        self._stream.width, self._stream.height, self._stream.pix_fmt = picture.width, picture.height, "yuv420p"
        coder = self._stream.codec_context
        coder.time_base, coder.color_range = self._tick_s, ColorRange.MPEG
        coder.colorspace, coder.color_trc = picture.colorspace, picture.color_trc
        coder.color_primaries = picture.color_primaries

    def _write(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            self._keyframes += packet.is_keyframe
            cast(av.container.OutputContainer, self._container).mux_one(packet)

    def finish(self) -> Cut:
        """Close the file and return the clip.

        Raises:
            InputError: no frame came, or fewer than planned.
        """
        with _writing(self._path):
            whole = self._fields.finish()
        self._encode(whole)
        if self._container is None:
            raise InputError("none of its frames could be decoded again")
        with _writing(self._path):
            self._write(self._stream.encode(None))
            self._container.close()
        return self._job.finish(self._index, self.plan, self._keyframes)


def _upright(reformatter: VideoReformatter, frame: av.VideoFrame) -> av.VideoFrame:
    """Return the frame as 8-bit 4:2:0 in limited range, turned as it is shown, with even sides."""
    quarter_turns = round(frame.rotation / 90) % 4
    is_even = frame.width % 2 == 0 and frame.height % 2 == 0
    plain = reformatter.reformat(frame, format="yuv420p", dst_color_range=ColorRange.MPEG)
    if is_even and not quarter_turns:
        return plain
    height, width = plain.height // 2 * 2, plain.width // 2 * 2
    if not (height and width):
        raise InputError(f"a film of {plain.width}x{plain.height} pixels cannot be encoded; the nearest size is 2x2")
    turned = []
    for index, plane in enumerate(plain.planes):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        half = 1 if index == 0 else 2
        turned.append(np.rot90(rows[: height // half, : width // half], quarter_turns))
    flat = np.concatenate([np.ascontiguousarray(plane).reshape(-1) for plane in turned])
    height, width = turned[0].shape
    made = av.VideoFrame.from_ndarray(flat.reshape(height * 3 // 2, width), format="yuv420p")
    made.colorspace, made.color_range = plain.colorspace, ColorRange.MPEG
    return made
