"""What a media file holds, read from its header and its first frame, and the one way in which files are opened."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.container
import av.error
import av.video.stream

from rushes.errors import InputError
from rushes.media import metadata

# Only formats that hold their own pictures: a playlist could make us read other files, or the network.
FORMATS = (
    "mov,mp4,matroska,webm,avi,gif,apng,mpegts,mpeg,mpegvideo,flv,ogg,asf,mxf,nut,ivf,yuv4mpegpipe,h264,hevc,obu,"
    "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,image2"
)
_STILL_FORMATS = ("_pipe", "image2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One file: height and width in pixels as shown (after `rotation`, in degrees clockwise), fps 0 for a still."""

    container: str
    codec: str
    width: int
    height: int
    fps: Fraction
    num_frames: int
    duration_s: float
    pix_fmt: str
    rotation: int

    @property
    def is_still(self) -> bool:
        return self.fps == 0


def probe(path: Path) -> Probe:
    """Return what the film or still at `path` is.

    Frames are counted from the file's own index where it has one, else by reading its packets; none but the first
    is decoded.

    Raises:
        InputError: missing, empty, cut short, or nothing that holds pictures.
    """
    metadata.require_file(path)
    if metadata.sniff(path) == "webp":
        return _probe_webp(path)
    if metadata.sniff(path) == "gif":
        metadata.gif_comments(path)  # walks every block: the demuxer would forgive a file that is cut short
    with open_film(path) as (container, stream):
        try:
            first = next(iter(container.decode(stream)), None)
        except av.error.FFmpegError as error:
            raise InputError(f"{path.name}: its first frame cannot be decoded ({error.strerror})") from None
        if first is None:
            raise InputError(f"{path.name} holds no frames")
        name = container.format.name
        is_still = name.endswith(_STILL_FORMATS)
        num_frames = 1 if is_still else stream.frames or _count_packets(container, stream)
        duration_s, fps = (0.0, Fraction(0)) if is_still else _timing(container, stream, num_frames)
        turned = first.rotation % 180 == 90
        return Probe(
            container="mp4" if "mp4" in name.split(",") else name.removesuffix("_pipe"),
            codec=stream.codec_context.name,
            width=first.height if turned else first.width,
            height=first.width if turned else first.height,
            fps=fps,
            num_frames=num_frames,
            duration_s=duration_s,
            pix_fmt=first.format.name,
            rotation=-first.rotation % 360,
        )


Opened = tuple[av.container.InputContainer, av.video.stream.VideoStream]


@contextlib.contextmanager
def open_film(path: Path) -> Iterator[Opened]:
    """Open a file and its first stream of pictures, several decoding threads allowed.

    Raises:
        InputError: missing, empty, cut short, or nothing that holds pictures.
    """
    metadata.require_file(path)
    try:
        container = av.open(str(path.absolute()), options={"format_whitelist": FORMATS}, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise InputError(f"{path.name} is no film, or is cut short ({error.strerror})") from None
    with container:
        if not container.streams.video:
            raise InputError(f"{path.name} holds no pictures, only {_streams(container)}")
        stream = container.streams.video[0]
        _require_whole(path, stream)
        stream.thread_type = "AUTO"
        yield container, stream


def _streams(container: av.container.InputContainer) -> str:
    return ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"


def _require_whole(path: Path, stream: av.video.stream.VideoStream) -> None:
    """An mp4 with its index in front opens well when cut: the index then names bytes past the end."""
    entries, size = stream.index_entries, path.stat().st_size
    if len(entries) and (last := entries[-1]).pos + last.size > size:
        raise InputError(f"{path.name} is cut short: its last frame ends at byte {last.pos + last.size} of {size}")


def _count_packets(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> int:
    container.seek(0)
    return sum(1 for packet in container.demux(stream) if packet.size)


def _timing(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, num_frames: int
) -> tuple[float, Fraction]:
    """Return (seconds, frames per second)."""
    if stream.duration and stream.time_base:
        seconds = stream.duration * stream.time_base
    else:
        seconds = Fraction(container.duration or 0, av.time_base)
    if container.format.name == "gif":
        return float(seconds), steady_fps(num_frames, seconds, ticks_per_s=100)
    fps = stream.average_rate or stream.guessed_rate or (num_frames / seconds if seconds else Fraction(0))
    return float(seconds or num_frames / fps), Fraction(fps)


def steady_fps(num_frames: int, seconds: Fraction, *, ticks_per_s: int) -> Fraction:
    """Return the whole fps whose film lasts `seconds` once rounded to ticks, or else frames over seconds.

    GIF counts in 1/100 s and WebP in 1/1000 s, so 8 frames at 24 fps last 0.33 or 0.333 s, never 1/3.
    """
    if not seconds:
        return Fraction(0)
    whole = max(1, round(num_frames / seconds))
    is_whole = round(Fraction(num_frames * ticks_per_s, whole)) == seconds * ticks_per_s
    return Fraction(whole) if is_whole else Fraction(num_frames) / seconds


def _probe_webp(path: Path) -> Probe:
    """FFmpeg reads no animated WebP; the frame headers say all there is to say, and nothing is decoded."""
    durations_ms, codec, width, height = [], b"", 0, 0
    with path.open("rb") as file:
        for name, at, length in metadata.webp_chunks(path):
            file.seek(at)
            body = file.read(min(length, 24))
            if name == b"VP8X":
                width, height = (int.from_bytes(body[i : i + 3], "little") + 1 for i in (4, 7))
            elif name == b"ANMF":
                durations_ms.append(int.from_bytes(body[12:15], "little"))
                codec = codec or body[16:20]
            elif name in (b"VP8 ", b"VP8L"):
                codec = name
                width, height, _ = metadata.simple_webp_size(name, body)
    if not codec:
        raise InputError(f"{path.name} holds no frames")
    seconds = Fraction(sum(durations_ms), 1000)
    num_frames = max(1, len(durations_ms))
    return Probe(
        container="webp",
        codec="vp8l" if codec == b"VP8L" else "vp8",
        width=width,
        height=height,
        fps=steady_fps(num_frames, seconds, ticks_per_s=1000),
        num_frames=num_frames,
        duration_s=float(seconds),
        pix_fmt="bgra" if codec == b"VP8L" else "yuv420p",
        rotation=0,
    )
