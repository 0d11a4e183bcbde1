"""Films that the world is full of and nobody wants: broken, odd, lying. One folder of them, and what each becomes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

FPS = 24
NUM = 48


def pictures(num: int = NUM, *, height: int = 96, width: int = 128, num_phases: int = 1):
    """Yield RGB pictures of a square that moves to and fro; of two phases, odd rows are half a frame later."""
    stripes = (
        np.random.default_rng(1).integers(40, 200, (1, width // 8 + 1, 3), np.uint8).repeat(height, 0).repeat(8, 1)
    )
    side, room = min(height, width) // 4, max(1, width - min(height, width) // 4)
    for index in range(num):
        picture = stripes[:, :width].copy()
        for phase in range(num_phases):
            left = abs((4 * index + 2 * phase + room) % (2 * room) - room)
            rows = picture[16 + phase : 16 + side : num_phases, left : left + side]
            rows[:] = 230
        yield picture


def write(path: Path, shown, *, codec="libx264", pix_fmt="yuv420p", pts=None, degrees=None, **options: str) -> Path:
    """Write RGB pictures as a film, a keyframe each second, the index in front; `pts` are in 1/24,000 s."""
    muxing = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    coding = {"g": str(FPS), "preset": "ultrafast", **options} if codec.startswith("libx26") else options
    with av.open(str(path), "w", options=muxing) as container:
        stream = container.add_stream(codec, rate=FPS, options=coding)
        stream.pix_fmt = pix_fmt
        for index, picture in enumerate(shown):
            if not index:
                stream.height, stream.width = picture.shape[:2]
                if pts is not None:
                    stream.codec_context.time_base = Fraction(1, 24_000)
                if degrees is not None:
                    stream.set_display_rotation(degrees)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            if pts is not None:
                frame.pts, frame.time_base = pts[index], Fraction(1, 24_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def plain(path: Path) -> Path:
    return write(path, pictures())


def interlaced(path: Path) -> Path:
    """Write a film whose fields are half a frame apart: H.264, or MPEG-2 in an .mpg."""
    shown = pictures(num_phases=2)
    if path.suffix == ".mpg":
        return write(path, shown, codec="mpeg2video", flags="+ildct+ilme", b="4000000")
    return write(path, shown, **{"x264-params": "tff=1"})


# Each of these writes one film of the folder; no two are the same bytes.


def _plain(shade: int):
    return lambda path: write(path, (np.minimum(255, picture + shade).astype(np.uint8) for picture in pictures()))


def _cut_short(path: Path) -> None:
    content = write(path, pictures(96, num_phases=2)).read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])


def _patched(name: bytes, offset: int, value: bytes, suffix: str = ".mp4", shade: int = 0) -> Callable[[Path], None]:
    """Return a writer of a film whose bytes behind the last `name` are others."""

    def written(path: Path) -> None:
        draft = path.with_suffix(f".draft{suffix}")
        shown = (picture // 2 + shade for picture in pictures())
        options = {"codec": "mpeg4"} if suffix == ".avi" else {}
        content = write(draft, shown, **options).read_bytes()
        draft.unlink()
        at = content.rindex(name) + len(name) + offset
        path.write_bytes(content[:at] + value + content[at + len(value) :])

    return written


def _sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))


def _moving(path: Path) -> None:
    first, *others = map(Image.fromarray, pictures())
    first.save(path, save_all=True, append_images=others, duration=40)


def _still(path: Path) -> None:
    Image.fromarray(next(pictures())).save(path)


def _uneven(path: Path) -> None:
    write(path, pictures(), pts=np.cumsum([500, 1500] * (NUM // 2)).tolist())


def _large(path: Path) -> None:
    shown = pictures(5, height=4320, width=7680)
    write(path, shown, pts=[6000 * index for index in range(5)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Hard:
    """One entry of the folder, and the row that it becomes: `row` is what else the row of its source says."""

    write: Callable[[Path], object]
    outcome: str
    reason: str = "^$"
    row: tuple[tuple[str, object], ...] = ()


HARD: dict[str, Hard] = {
    # Broken
    "cut short.mp4": Hard(write=_cut_short, outcome="partial", reason="cut short: its last frame ends at byte"),
    "zero.mp4": Hard(write=lambda path: path.touch(), outcome="refused", reason="is empty"),
    "text.mp4": Hard(write=lambda path: path.write_text("no film " * 99), outcome="refused", reason="is no film"),
    "noise.mp4": Hard(write=lambda path: path.write_bytes(bytes(range(256)) * 99), outcome="refused", reason="no film"),
    "list.m3u8": Hard(
        write=lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nzero.mp4\n"), outcome="refused", reason="is no film"
    ),
    "sound.m4a": Hard(write=_sound, outcome="refused", reason="holds no film, only audio"),
    "index.mp4": Hard(
        write=_patched(b"stco", 8, b"\x7f\xff\xff\xff"), outcome="refused", reason="no frame that can be decoded"
    ),
    "index.avi": Hard(write=_patched(b"idx1", 4, b"\xff" * 760, ".avi"), outcome="ok"),
    "half an index.avi": Hard(  # FFmpeg believes what is left of it, and finds no keyframe there
        write=_patched(b"idx1", 4, b"\xff" * 80, ".avi", shade=3),
        outcome="partial",
        reason="32 packets could not be decoded; 10 frames came where the header promises 48",
    ),
    # Lying
    "a million frames.avi": Hard(
        write=_patched(b"strh", 36, b"\x40\x42\x0f\0", ".avi", 9),
        outcome="ok",
        reason="48 frames came where the header promises 1000000",
    ),
    "all at once.mp4": Hard(
        write=_patched(b"stts", 12, b"\0\0\0\1", shade=18), outcome="no clips", reason="no shot is long enough"
    ),
    "60000 px.mp4": Hard(
        write=_patched(b"avc1", 24, b"\xea\x60\xea\x60", shade=27), outcome="ok", row=(("width_px", 128),)
    ),
    # Odd, but whole
    "uneven.mkv": Hard(write=_uneven, outcome="ok"),
    "turned.mp4": Hard(
        write=lambda path: write(path, pictures(), degrees=90),
        outcome="ok",
        row=(("width_px", 96), ("height_px", 128)),
    ),
    "deep.mkv": Hard(
        write=lambda path: write(
            path, pictures(), codec="libx265", pix_fmt="yuv420p10le", **{"x265-params": "log-level=none"}
        ),
        outcome="ok",
        row=(("codec", "hevc"), ("pix_fmt", "yuv420p10le")),
    ),
    "interlaced.mp4": Hard(write=interlaced, outcome="ok"),
    "interlaced.mpg": Hard(write=interlaced, outcome="ok"),
    "one pixel.mkv": Hard(
        write=lambda path: write(path, pictures(height=1, width=1), codec="ffv1", pix_fmt="yuv444p"),
        outcome="no clips",
        reason="a film of 1x1 pixels cannot be encoded",
    ),
    "8k.mp4": Hard(write=_large, outcome="ok", row=(("width_px", 7680), ("height_px", 4320))),
    "moving.gif": Hard(write=_moving, outcome="ok", row=(("container", "gif"),)),
    "moving.png": Hard(write=_moving, outcome="ok", row=(("container", "apng"),)),
    "moving.webp": Hard(write=_moving, outcome="refused", reason="an animated WebP.*the nearest legal form"),
    "still.webp": Hard(write=_still, outcome="refused", reason="a still, not a film"),
    "still.png": Hard(write=_still, outcome="refused", reason="a still, not a film"),
    "still.gif": Hard(write=_still, outcome="no clips", reason="no shot is long enough"),
    # Odd names of good films
    'it\'s "quoted" $(x) %41.mp4': Hard(write=_plain(1), outcome="ok"),
    "new\nline.mp4": Hard(write=_plain(2), outcome="ok"),
    b"caf\xe9\xff.mp4".decode("utf-8", "surrogateescape"): Hard(write=_plain(3), outcome="ok"),
    "no ending": Hard(write=lambda path: _plain(4)(path.with_suffix(".mp4")).rename(path), outcome="ok"),
    # No files at all
    "loop": Hard(write=lambda path: path.symlink_to("loop"), outcome="unreadable", reason="symbolic links"),
    "nowhere.mp4": Hard(write=lambda path: path.symlink_to("x"), outcome="unreadable", reason="No such file"),
    "pipe.mp4": Hard(write=os.mkfifo, outcome="unreadable", reason="no regular file"),
}


def folder(place: Path) -> Path:
    """Write all of them into `place`, and a link that leads back up, which adds nothing."""
    place.mkdir()
    for name, hard in HARD.items():
        hard.write(place / name)
    (place / "up").symlink_to("..")
    return place
