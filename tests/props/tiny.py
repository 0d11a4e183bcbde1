"""What the tests of curation share: tiny films, hostile files, stages of their own, a runner without processes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np

from rushes.data.select import SelectConfig
from rushes.data.settings import CurateConfig, PackConfig
from rushes.data.shots import ShotConfig
from rushes.data.stages import Stage
from rushes.data.workers.pool import Failure
from rushes.errors import RushesError
from rushes.media.encode import encode
from rushes.types import VideoShape

FPS = 12


def film(path: Path, seed: int, *, seconds: float = 3.0, height: int = 48, width: int = 64) -> Path:
    """Write a film of a square that moves over a patchwork."""
    num = round(seconds * FPS)
    field = np.random.default_rng(seed).integers(40, 200, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)

    def frames():
        for index in range(num):
            frame = field.astype(np.uint8)
            left = (index + seed) % (width - 12)
            frame[10:22, left : left + 12] = 255 - frame[10:22, left : left + 12]
            yield frame

    shape = VideoShape(frames=num, height=height, width=width)
    encode(path, frames(), fps=FPS, shape=shape)
    return path


def films(folder: Path, num: int = 6) -> Path:
    """Write `num` films and one copy of the first under another name."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(num):
        film(folder / f"film {seed}.mp4", seed, seconds=2.5 + 0.5 * (seed % 3))
    (folder / "zwilling.mp4").write_bytes((folder / "film 0.mp4").read_bytes())
    return folder


class Serial:
    """A runner that runs everything here, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def map(self, function, items):
        for item in items:
            self.calls.append(function.__name__)
            try:
                yield item, function(item, lambda frames: None)
            except RushesError as error:
                yield item, Failure(kind="failed", reason=str(error), error=error)


# Work for the pool.


def odd_work(item, beat):
    word, value = item
    if word == "abort":
        os.abort()
    if word == "once" and not Path(value).exists():
        Path(value).touch()
        os._exit(3)
    if word == "hang":
        time.sleep(600)
    if word == "slow":
        for _ in range(30):
            time.sleep(0.1)
            beat(2)
    if word == "eat":
        held = bytearray(os.urandom(1) * (600 << 20))
        time.sleep(600 + len(held))
    if word == "raise":
        raise ValueError(value)
    if word == "full":
        raise RushesError("the disk is full")
    return value


def stamped_work(item, beat):
    """Leave a stamp of the item's number and this process in a folder, take a second, return the number."""
    folder, number = item
    (folder / f"{number}-{os.getpid()}").touch()
    time.sleep(1)
    beat(10)
    return number


# Stages. Functions of a module: workers import them by name.


def measure_mean(views):
    return [{"frames": len(v.analysis.times_s), "pictures": len(v.analysis.pictures.jpegs)} for v in views]


def measure_vector(views):
    return [{"embedding": [float(len(v.analysis.times_s)), 1.0, int(v.clip.id[:2], 16) / 255]} for v in views]


def measure_abort(views):
    if os.environ.get("TINY_ABORT", "") in ("", views[0].clip.source):
        os.abort()
    return measure_mean(views)


def measure_hang(views):
    time.sleep(600)


def measure_wrong(views):
    raise ZeroDivisionError("no such luck")


def measure_some(views):
    return [{"failed": "odd\nclip"} if int(v.clip.id, 16) % 2 else {"frames": 1, "pictures": 1} for v in views]


def load_mean(setting):
    return measure_mean


def load_vector(setting):
    return measure_vector


def load_abort(setting):
    return measure_abort


def load_hang(setting):
    return measure_hang


def load_wrong(setting):
    return measure_wrong


def load_some(setting):
    return measure_some


def load_missing(setting):
    raise RushesError("the weights are missing")


def version(setting):
    return f"1{setting}"


COLUMNS = {"frames": "int64", "pictures": "int32"}


def stage(name, load, columns=COLUMNS):
    return Stage(name=name, columns=columns, version=version, load=load)


STAGES = {
    "mean": stage("mean", load_mean),
    "vector": stage("vector", load_vector, {"embedding": "list<float16>"}),
    "abort": stage("abort", load_abort),
    "hang": stage("hang", load_hang),
    "wrong": stage("wrong", load_wrong),
    "some": stage("some", load_some),
    "missing": stage("missing", load_missing),
}


def config(*stages: str, shard_mb: float = 0.02, cuts: dict[str, str] | None = None) -> CurateConfig:
    """Return a config with stages of this file and shards of a few clips."""
    return CurateConfig(
        shots=ShotConfig(min_s=1.0, max_s=2.0),
        stages=dict.fromkeys(stages or ("mean",), ""),
        select=SelectConfig(cuts=cuts or {}),
        pack=PackConfig(shard_mb=shard_mb, part_sources=3, batch_sources=100),
    )


def write_hostile(folder: Path) -> int:
    """Write files that are no whole films, under odd names; return how many."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = film(folder / "whole.mp4", 77).read_bytes()
    (folder / "whole.mp4").unlink()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is no film\n" * 100)
    (folder / "truncated 'quote' \".mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "head only.mp4").write_bytes(whole[:64])
    (folder / "new\nline.mp4").write_bytes(b"\0" * 1000)
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9"))
    odd.mkdir()
    (odd / os.fsdecode(b"n\xff\xfe.mp4")).write_bytes(b"RIFF nothing")  # a name that is no UTF-8
    (folder / "loop").symlink_to("loop")
    (folder / "up").symlink_to("..")
    (folder / "nowhere").symlink_to("not there")
    if sys.platform != "win32":
        os.mkfifo(folder / "pipe")
    return 9
