"""Frames become a film, one at a time: .mp4, .gif, .webp or a .png still, whole and in place or not at all."""

from __future__ import annotations

import contextlib
import difflib
import errno
import fcntl
import os
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, cast

import av
import av.error
import av.filter
import av.video.stream
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from PIL import Image

from rushes.errors import InputError, RushesError
from rushes.media import metadata
from rushes.media.live import Fragments, Piece
from rushes.media.probe import probe
from rushes.types import VideoShape, nearest_multiple

DRAFT = ".part"
YOUNG_S = 2.0
MAX_SIDE_PX = {".mp4": 16384, ".gif": 65535, ".webp": 16383, ".png": 65535}
MAX_FPS = {".mp4": 240, ".gif": 50, ".webp": 240}  # browsers slow down a GIF whose frames last less than 2/100 s
_EXACT = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP

# superfast leaves out what makes a film small: bits go where later frames look, and less of them to even ground.
_LOOKING_AHEAD = {"mbtree": "1", "rc-lookahead": "10", "aq-strength": "0.8", "bf": "2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A finished file; `seconds` is the time spent writing it, without the time its frames took to make."""

    path: Path
    num_frames: int
    size_bytes: int
    seconds: float


def encode(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    fps: float,
    shape: VideoShape,
    request: dict[str, Any] | None = None,
    force: bool = False,
    live: Piece | None = None,
) -> Encoded:
    """Write `frames` (uint8 RGB `[h w 3]`, exactly `shape.frames` of them) to `path`; its extension is the format.

    Frames are taken one at a time and none is kept. `live` is given an .mp4 in pieces while it is made, as
    `rushes.media.live` says; other formats have none. The file appears under its name when it is whole: until then
    it is a hidden file in the same folder, which any failure or Ctrl-C removes. `fps` does not matter to a .png.

    Raises:
        InputError: an unknown extension, a path that exists (unless `force`) or cannot be written, an illegal fps,
            side or number of frames for the format, frames unlike `shape`, a request that is no JSON.
        RushesError: the disk is full, or the file could not be written for another reason.
    """
    check_target(path, fps=fps, shape=shape, force=force)
    text = None if request is None else metadata.to_text(request)
    seconds = 0.0
    with replacing(path, force=force) as temporary:
        rate = Fraction(fps).limit_denominator(1001)
        job = _Job(path=temporary, rate=rate, shape=shape, text=text, live=live)
        with one_line(path):
            opened = _WRITERS[path.suffix.lower()](job)
        with contextlib.closing(opened) as writer:
            for frame in _checked(frames, shape):  # outside one_line: an error of the source is not ours to reword
                begun = time.perf_counter()
                with one_line(path):
                    writer.add(frame)
                seconds += time.perf_counter() - begun
            begun = time.perf_counter()
            with one_line(path):
                writer.finish()
        with one_line(path):
            _require_whole(temporary, path, shape)
    return Encoded(
        path=path,
        num_frames=shape.frames,
        size_bytes=path.stat().st_size,
        seconds=seconds + time.perf_counter() - begun,
    )


def check_target(path: Path, *, fps: float, shape: VideoShape, force: bool = False) -> None:
    """Raise what `encode` would raise before its first frame, so that a long run can be refused at once."""
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        near = difflib.get_close_matches(suffix, _WRITERS, n=1)
        order = near + [name for name in _WRITERS if name not in near]
        raise InputError(f"cannot write {path.name}: {suffix or 'no extension'} is none of {', '.join(order)}")
    longest = max(shape.height, shape.width)
    if longest > MAX_SIDE_PX[suffix]:
        raise InputError(
            f"a {suffix} side cannot be {longest} pixels; the nearest legal value is {MAX_SIDE_PX[suffix]}"
        )
    if suffix == ".png" and shape.frames != 1:
        raise InputError(f"a .png holds one frame, not {shape.frames}; the nearest legal value is 1")
    if suffix == ".mp4":
        for name, side in (("height", shape.height), ("width", shape.width)):
            if side % 2:
                raise InputError(f"{name} {side} is odd; the nearest legal value is {nearest_multiple(side, 2)}")
    if suffix in MAX_FPS and not 0.1 <= fps <= MAX_FPS[suffix]:
        nearest = MAX_FPS[suffix] if fps > 1 else 0.1
        raise InputError(f"fps {fps:g} is illegal in a {suffix}; the nearest legal value is {nearest}")
    _check_place(path, force=force)


def _check_place(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it")
    if path.exists() and not force:
        raise InputError(f"{path} exists; use --force to replace it")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path.name}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {path.name}: the folder {path.parent} is read-only")


@contextlib.contextmanager
def replacing(path: Path, *, force: bool) -> Iterator[Path]:
    """Give the body a hidden file beside `path` to fill; flush it and rename it to `path` if the body succeeds.

    Whatever stops the body, Ctrl-C too, removes the hidden file and leaves `path` as it was. What a killed process
    left in the folder goes at the next write there.

    Raises:
        InputError: `path` exists (unless `force`), is a folder, or lies where nothing can be written.
        RushesError: the file could not be flushed or renamed.
    """
    _check_place(path, force=force)
    clean(path.parent)
    temporary, lock = path.with_name(f".{secrets.token_hex(8)}{DRAFT}"), -1
    try:  # around the opening too: a signal may raise as soon as the file is there
        try:
            lock = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            kind = RushesError if error.errno == errno.ENOSPC else InputError
            raise kind(f"cannot write {path}: {error.strerror}") from None
        with contextlib.suppress(OSError):  # a file system without locks keeps what a killed process leaves
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield temporary
        with one_line(path):
            _flush(temporary)
            temporary.replace(path)
            _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        if lock >= 0:
            os.close(lock)


def clean(folder: Path) -> None:
    """Remove the hidden files of `replacing` in `folder` whose process is dead: their lock died with it."""
    for stale in folder.glob(f".{'[0-9a-f]' * 16}{DRAFT}"):
        with contextlib.suppress(OSError):  # somebody else's, or already gone
            if time.time() - stale.stat().st_mtime < YOUNG_S:
                continue  # made, but perhaps not locked yet
            lock = os.open(stale, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                stale.unlink()
            finally:
                os.close(lock)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Turn what the system or FFmpeg says while `path` is written into a RushesError of one line."""
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise RushesError(f"could not write {path}: the disk is full ({error.strerror})") from None
        raise RushesError(f"could not write {path}: {error.strerror or error}") from None


def _checked(frames: Iterable[np.ndarray], shape: VideoShape) -> Iterator[np.ndarray]:
    """Yield exactly `shape.frames` frames of the right kind, or raise InputError."""
    wanted, count = (shape.height, shape.width, 3), 0
    for frame in frames:
        if frame.shape != wanted or frame.dtype != np.uint8:
            raise InputError(f"frame {count} is {frame.dtype} {list(frame.shape)}; it must be uint8 {list(wanted)}")
        count += 1
        if count > shape.frames:
            raise InputError(f"there are more frames than the {shape.frames} asked for")
        yield np.ascontiguousarray(frame)
    if count != shape.frames:
        raise InputError(f"there are {count} frames; {shape.frames} were asked for")


def _require_whole(temporary: Path, path: Path, shape: VideoShape) -> None:
    """Read the finished file back: some write errors show only when a file is closed, and then not as errors."""
    try:
        found = probe(temporary)
    except InputError:
        raise RushesError(f"could not write {path}: the file came out damaged; is the disk full?") from None
    if (found.num_frames, found.height, found.width) != (shape.frames, shape.height, shape.width):
        came_out = f"{found.num_frames}x{found.height}x{found.width}"
        raise RushesError(f"could not write {path}: it came out as {came_out} instead of {shape}")


# The writers, one per format


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    path: Path
    rate: Fraction
    shape: VideoShape
    text: str | None
    live: Piece | None = None

    def ticks(self, index: int, ticks_per_s: int) -> int:
        """Return when frame `index` begins; rounding each start, not each duration, keeps the whole film exact."""
        return round(index * ticks_per_s / self.rate)


class _Writer(Protocol):
    def __init__(self, job: _Job) -> None: ...
    def add(self, frame: np.ndarray) -> None: ...
    def finish(self) -> None: ...
    def close(self) -> None: ...


class _Muxer:
    """An FFmpeg file with one stream of pictures; frame times are whole ticks of `tick_s`."""

    def __init__(self, job: _Job, *, muxer: str, codec: str, pix_fmt: str, tick_s: Fraction, **options: Any) -> None:
        self._tick_s, self._reformatter = tick_s, VideoReformatter()
        self._container = av.open(str(job.path.absolute()), "w", format=muxer, options=options.get("muxing", {}))
        self._container.metadata.update(options.get("tags", {}))
        stream = self._container.add_stream(codec, rate=job.rate, options=options.get("coding", {}))
        self._stream = cast(av.video.stream.VideoStream, stream)
        self._stream.height, self._stream.width = job.shape.height, job.shape.width
        self._stream.pix_fmt = pix_fmt
        self.coder = self._stream.codec_context
        self.coder.time_base = tick_s
        self._live = Fragments(self._stream, job.live) if job.live and codec == "libx264" else None

    def add_rgb(self, frame: np.ndarray, tick: int, **reformat: Any) -> None:
        rgb = av.VideoFrame.from_numpy_buffer(frame, format="rgb24")
        self.add(self._reformatter.reformat(rgb, src_color_range=ColorRange.JPEG, **reformat), tick)

    def add(self, picture: av.VideoFrame, tick: int) -> None:
        picture.pts, picture.time_base = tick, self._tick_s
        self._mux(self._stream.encode(picture))

    def finish(self) -> None:
        self._mux(self._stream.encode(None))
        self._container.close()
        if self._live:
            self._live.finish()

    def _mux(self, packets: list[av.Packet]) -> None:
        if self._live:
            self._live.add(packets)
        self._container.mux(packets)

    def close(self) -> None:
        with contextlib.suppress(OSError, av.error.FFmpegError):  # the failure that led here is the one to report
            self._container.close()


class _Mp4:
    """H.264, 8-bit 4:2:0, BT.709 in limited range and tagged so, index in front."""

    def __init__(self, job: _Job) -> None:
        self._index = 0
        self._muxer = _Muxer(
            job,
            muxer="mp4",
            codec="libx264",
            pix_fmt="yuv420p",
            tick_s=1 / job.rate,
            muxing={"movflags": "faststart"},
            # As small and as near to the source as veryfast, in half of its time (docs/media.md).
            coding={"preset": "superfast", "crf": "16", "threads": "auto"} | _LOOKING_AHEAD,
            tags={} if job.text is None else {"comment": job.text},
        )
        coder = self._muxer.coder
        coder.colorspace, coder.color_range = Colorspace.ITU709, ColorRange.MPEG
        coder.color_trc, coder.color_primaries = ColorTrc.BT709, ColorPrimaries.BT709

    def add(self, frame: np.ndarray) -> None:
        self._muxer.add_rgb(
            frame,
            self._index,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            dst_color_trc=ColorTrc.BT709,
            dst_color_primaries=ColorPrimaries.BT709,
            interpolation=_EXACT,
        )
        self._index += 1

    def finish(self) -> None:
        self._muxer.finish()

    def close(self) -> None:
        self._muxer.close()


class _Webp:
    """Animated WebP that loops for ever; libwebp compresses each frame as it comes."""

    # libwebp drops a frame whose every pixel is within about 4 levels (at quality 80) of the frame before.
    _SAME, _NUDGE = 6, 24

    def __init__(self, job: _Job) -> None:
        self._job, self._index, self._before = job, 0, np.zeros(0, np.int16)
        self._muxer = _Muxer(
            job,
            muxer="webp",
            codec="libwebp_anim",
            pix_fmt="bgra",
            tick_s=Fraction(1, 1000),
            muxing={"loop": "0"},
            coding={"quality": "80", "compression_level": "4"},
        )

    def add(self, frame: np.ndarray) -> None:
        levels = frame.astype(np.int16)
        if self._index and np.abs(levels - self._before).max() <= self._SAME:
            levels[0, 0, 2] += self._NUDGE if levels[0, 0, 2] < 128 else -self._NUDGE
            frame = levels.astype(np.uint8)
        self._before = levels
        self._muxer.add_rgb(frame, self._job.ticks(self._index, 1000), format="bgra")
        self._index += 1

    def finish(self) -> None:
        self._muxer.finish()
        self._time_last_frame()
        if self._job.text is not None:
            metadata.embed(self._job.path, self._job.text)

    def _time_last_frame(self) -> None:
        """libwebp guesses how long the last frame lasts; make it end on the film's own tick."""
        frames = [at for name, at, _ in metadata.webp_chunks(self._job.path) if name == b"ANMF"]
        if frames:
            last = self._job.shape.frames - 1
            with self._job.path.open("r+b") as file:
                file.seek(frames[-1] + 12)
                file.write((self._job.ticks(last + 1, 1000) - self._job.ticks(last, 1000)).to_bytes(3, "little"))

    def close(self) -> None:
        self._muxer.close()


class _Gif:
    """GIF that loops for ever, with one palette made for this film.

    The palette needs every frame before the first can be written, so the raw frames wait in a nameless file on
    disk (3 bytes a pixel) and not in memory.
    """

    _TICK_S = Fraction(1, 100)

    def __init__(self, job: _Job) -> None:
        self._job, self._index = job, 0
        self._waiting = tempfile.TemporaryFile(dir=job.path.parent)  # noqa: SIM115 - closed by close()
        self._palette_graph = graph = av.filter.Graph()  # its filters do not keep it alive
        self._palette_in = self._source(graph)
        palettegen, self._palette_out = graph.add("palettegen", "stats_mode=full"), graph.add("buffersink")
        graph.link_nodes(self._palette_in, palettegen, self._palette_out).configure()
        last = job.ticks(job.shape.frames, 100) - job.ticks(job.shape.frames - 1, 100)
        self._muxer = _Muxer(
            job,
            muxer="gif",
            codec="gif",
            pix_fmt="pal8",
            tick_s=self._TICK_S,
            muxing={"loop": "0", "final_delay": str(last)},
        )

    def _source(self, graph: av.filter.Graph) -> av.filter.context.FilterContext:
        height, width = self._job.shape.height, self._job.shape.width
        return graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=self._TICK_S)

    def _picture(self, frame: np.ndarray, index: int) -> av.VideoFrame:
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts, picture.time_base = self._job.ticks(index, 100), self._TICK_S
        return picture

    def add(self, frame: np.ndarray) -> None:
        self._waiting.write(frame.data)
        self._palette_in.push(self._picture(frame, self._index))
        with contextlib.suppress(av.error.BlockingIOError):  # pulling makes the filter take the frame out of its queue
            self._palette_out.pull()
        self._index += 1

    def finish(self) -> None:
        self._palette_in.push(None)
        palette = cast(av.VideoFrame, self._palette_out.pull())
        graph = av.filter.Graph()
        pictures = self._source(graph)
        colours = graph.add_buffer(width=16, height=16, format=palette.format, time_base=self._TICK_S)
        # An ordered dither stays still where the picture does: no crawling grain, and small differences to store.
        paletteuse = graph.add("paletteuse", "dither=bayer:bayer_scale=4:diff_mode=rectangle")
        sink = graph.add("buffersink")
        pictures.link_to(paletteuse, 0, 0)
        colours.link_to(paletteuse, 0, 1)
        paletteuse.link_to(sink)
        graph.configure()
        palette.pts, palette.time_base = 0, self._TICK_S
        colours.push(palette)
        colours.push(None)
        written, shape = 0, self._job.shape
        self._waiting.seek(0)
        for index in range(shape.frames):
            raw = self._waiting.read(shape.height * shape.width * 3)
            pictures.push(self._picture(np.frombuffer(raw, np.uint8).reshape(shape.height, shape.width, 3), index))
            written += self._drain(sink, written)
        pictures.push(None)
        self._drain(sink, written)
        self._muxer.finish()
        if self._job.text is not None:
            metadata.embed(self._job.path, self._job.text)

    def _drain(self, sink: av.filter.context.FilterContext, written: int) -> int:
        """Write what the filter has ready, as frames `written`, `written + 1`, ...; return how many."""
        count = 0
        with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                self._muxer.add(cast(av.VideoFrame, sink.pull()), self._job.ticks(written + count, 100))
                count += 1
        return count

    def close(self) -> None:
        self._waiting.close()
        self._muxer.close()


class _Png:
    """One frame, lossless."""

    def __init__(self, job: _Job) -> None:
        self._job = job

    def add(self, frame: np.ndarray) -> None:
        chunks = None if self._job.text is None else metadata.png_text(self._job.text)
        Image.fromarray(frame).save(self._job.path, format="PNG", pnginfo=chunks)

    def finish(self) -> None:
        """Nothing is left to write."""

    def close(self) -> None:
        """Nothing is open."""


_WRITERS: dict[str, type[_Writer]] = {".mp4": _Mp4, ".gif": _Gif, ".webp": _Webp, ".png": _Png}
