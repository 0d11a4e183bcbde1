"""An endless set of plain films: film i follows from (seed, i) and has some shots, joined by cuts and dissolves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rushes import config as configs
from rushes.errors import InputError
from rushes.media.encode import check_target, encode, replacing
from rushes.types import VideoShape
from rushes.world import REVISION
from rushes.world.captions import caption, prompt
from rushes.world.render import render
from rushes.world.scene import Scene, SceneFilters, sample, to_dict

FRAMES_PER_CALL = 24  # a few frames at a time, so that a long film needs little memory
MOST_TRIES = 20
MAX_SHOTS = 100
DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ReelConfig:
    """What the films of a set are like.

    A film has 1 to `most_shots` shots, each number as likely; `dissolves` is the share of the joins that are dissolves,
    `dissolve_frames` (fewest, most) their lengths; the other joins are hard cuts. `filters.durations_s` are the lengths
    of the shots. `width` and `height` are even numbers of pixels.
    """

    seed: int = 0
    split: str = "train"
    width: int = 1280
    height: int = 720
    fps: int = 24
    most_shots: int = 1
    dissolves: float = 0.3
    dissolve_frames: tuple[int, int] = (8, 24)
    filters: SceneFilters = field(default_factory=SceneFilters)

    def __post_init__(self) -> None:
        least, most = self.dissolve_frames
        ranges = {
            "seed": (self.seed, 0, 2**63 - 1), "fps": (self.fps, 1, 120), "most_shots": (self.most_shots, 1, MAX_SHOTS),
            "dissolves": (self.dissolves, 0.0, 1.0), "dissolve_frames": (least, 1, most),
        }  # fmt: skip
        for name, (value, low, high) in ranges.items():
            if not low <= value <= high:
                raise InputError(
                    f"{name} {value} is illegal; the nearest legal value is {low if value < low else high}"
                )

    @property
    def key(self) -> str:
        """Return 8 hexadecimal digits that stand for all of this: films of two sets never share a name."""
        values = json.dumps([REVISION, configs.to_dict(self)], sort_keys=True)
        return hashlib.sha256(values.encode()).hexdigest()[:DIGITS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One shot of a film: its frames from `first` up to, not including, `end`; a dissolve shows both its shots.

    `join` says how it begins: `start`, `cut` or `dissolve`; a dissolve lasts `join_frames`.
    """

    scene: Scene
    caption: str
    first: int
    end: int
    join: str = "start"
    join_frames: int = 0


def plan(config: ReelConfig, index: int) -> list[Shot]:
    """Return the shots of film `index`; shots that follow each other play at different places, where filters allow.

    Raises:
        InputError: filters that leave no scene in the split.
    """
    rng = np.random.default_rng((config.seed, index))
    shots: list[Shot] = []
    for _ in range(int(rng.integers(1, config.most_shots + 1))):
        for _ in range(MOST_TRIES):
            scene = sample(rng, split=config.split, filters=config.filters)
            if not shots or scene.place != shots[-1].scene.place:
                break
        length = max(1, round(scene.duration_s * config.fps))
        text, first, join, overlap = caption(scene, rng).text, 0, "start", 0
        if shots:
            first, join = shots[-1].end, "cut"
            wanted = int(rng.integers(config.dissolve_frames[0], config.dissolve_frames[1] + 1))
            room = min(length, first - shots[-1].first - shots[-1].join_frames) // 2
            if rng.random() < config.dissolves and room:
                join, overlap = "dissolve", min(wanted, room)
        first -= overlap
        shots.append(
            Shot(scene=scene, caption=text, first=first, end=first + length, join=join, join_frames=overlap)
        )  # fmt: skip
    return shots


def frames(config: ReelConfig, shots: list[Shot]) -> Iterator[np.ndarray]:
    """Yield the frames of a film, uint8 RGB `[h w 3]`."""
    held: list[np.ndarray] = []  # the end of the shot before, which the next one dissolves into
    for shot, following in zip(shots, [*shots[1:], None], strict=True):
        kept = following.join_frames if following else 0
        length = shot.end - shot.first
        waiting: list[np.ndarray] = []
        for start in range(0, length, FRAMES_PER_CALL):
            times_s = [i / config.fps for i in range(start, min(start + FRAMES_PER_CALL, length))]
            drawn = render(shot.scene, height=config.height, width=config.width, times_s=times_s)
            for offset, frame in enumerate(drawn, start=start):
                if offset < len(held):
                    share = (offset + 1) / (len(held) + 1)
                    frame = np.rint(held[offset] * (1 - share) + frame * share).astype(np.uint8)
                if offset < length - kept:
                    yield frame
                else:
                    waiting.append(frame)
        held = waiting


def name_of(config: ReelConfig, index: int) -> str:
    """Return the name of film `index` without its suffix, such as `1f03a2bc-00000012`."""
    return f"{config.key}-{index:0{DIGITS}d}"


def write_film(
    config: ReelConfig,
    index: int,
    folder: Path,
    truth: Path | None = None,
    watch: Callable[[int], None] = lambda num_frames: None,
) -> bool:
    """Write film `index` as a plain .mp4 in `folder`, and what it shows as JSON in `truth`; False where it was there.

    The file carries no caption and no request. Both files appear whole; the truth first, so that no film lacks it.
    `watch(1)` is called for every frame.

    Raises:
        InputError: a size or rate that no .mp4 has, a folder that cannot be written.
        RushesError: the disk is full.
    """
    path = folder / f"{name_of(config, index)}.mp4"
    told = None if truth is None else truth / f"{name_of(config, index)}.json"
    if path.exists() and (told is None or told.exists()):
        return False
    shots = plan(config, index)
    shape = VideoShape(frames=shots[-1].end, height=config.height, width=config.width)
    check_target(path, fps=config.fps, shape=shape, force=True)
    if told is not None:
        with replacing(told, force=True) as draft:
            draft.write_text(json.dumps(as_values(config, path.name, shots), indent=1) + "\n")
    if path.exists():
        return False
    encode(path, _watched(frames(config, shots), watch), fps=config.fps, shape=shape)
    return True


def _watched(drawn: Iterator[np.ndarray], watch: Callable[[int], None]) -> Iterator[np.ndarray]:
    for frame in drawn:
        yield frame
        watch(1)


def as_values(config: ReelConfig, film: str, shots: list[Shot]) -> dict[str, Any]:
    """Return what a film shows, shot by shot, as plain JSON values; times in seconds."""
    listed = [
        {
            "first_frame": shot.first,
            "end_frame": shot.end,
            "start_s": shot.first / config.fps,
            "end_s": shot.end / config.fps,
            "join": shot.join,
            "join_frames": shot.join_frames,
            "caption": shot.caption,
            "prompt": prompt(shot.scene),
            "scene": to_dict(shot.scene),
        }
        for shot in shots
    ]
    return {"film": film, "fps": config.fps, "num_frames": shots[-1].end, "shots": listed}
