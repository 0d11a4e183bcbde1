"""Latents of a dataset's clips: encoded once by workers, kept in the dataset as column sets, read by range.

b clips of a batch, c channels, t h w latent grid

A column set `columns/latents-ROWSxCOLUMNS@VERSION/` holds parts: `PART.f16`, the latents of some clips one after the
other, and `PART.parquet`, a row per clip that says where its latents begin. A part is committed when both are whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from rushes.data import settings
from rushes.data.banks.world_rows import to_view
from rushes.data.buckets import BucketConfig
from rushes.data.dataset import Dataset
from rushes.data.ledger import Entry, Ledger, rows_to_table
from rushes.data.loader import read_frames
from rushes.data.run import alone
from rushes.data.workers.pool import Beat, Failure, Runner
from rushes.errors import InputError, RushesError
from rushes.models.autoencoder import ENCODED_FPS, LATENT_FPS, Autoencoder, PatchTransform
from rushes.store import Store

REVISION = 2  # raised when the same clip and encoder would give other latents
PART_CLIPS = 64
MAX_SECONDS = 16
SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("frames", pa.int32()),
        ("part", pa.string()),
        ("offset", pa.int64()),
    ]
)
NEEDED = ("clip_id", "shard", "offset", "num_bytes", "duration_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentConfig:
    """Which latents: `autoencoder` is its weights folder, `rows` x `columns` the grid that clips are cropped to."""

    autoencoder: str
    rows: int = 9
    columns: int = 16

    @property
    def name(self) -> str:
        """Return the name of the column set."""
        return f"latents-{self.rows}x{self.columns}"

    def facts(self) -> dict[str, Any]:
        """Return all that the latents depend on, beside the clip, as plain JSON values. Raises: WeightsError."""
        made = encoder(self.autoencoder)
        return {
            "revision": REVISION,
            "encoder": encoder_digest(self.autoencoder),
            "channels": made.config.channels,
            "whitening": made.config.whitening,
            "cell": made.config.cell,
            "window": made.config.window,
            "fps": ENCODED_FPS,
            "rows": self.rows,
            "columns": self.columns,
        }

    def prefix(self) -> str:
        """Return where the column set lies in a dataset: `columns/NAME@VERSION/`. Raises: WeightsError."""
        return f"columns/{self.name}@{settings.key(self.facts())}/"


@cache
def encoder(folder: str) -> PatchTransform:
    """Return the encoder of an autoencoder; one for each folder and process. Raises: WeightsError."""
    return Autoencoder.from_pretrained(Path(folder)).transform


@cache
def encoder_digest(folder: str) -> str:
    """Return the SHA-256 of the encoder's numbers alone: a painter may improve without spoiling latents."""
    sha = hashlib.sha256()
    for name, tensor in sorted(encoder(folder).named_buffers()):
        sha.update(name.encode() + tensor.double().numpy().tobytes())
    return sha.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentTask:
    """Some clips (the columns NEEDED of `clips()`) of the dataset at `place` that are to be encoded as one part."""

    place: str
    config: LatentConfig
    prefix: str
    clips: tuple[dict[str, Any], ...]

    @property
    def part(self) -> str:
        """Return the name of the part: it follows from the clips."""
        return settings.key([row["clip_id"] for row in self.clips])


def encode_part(task: LatentTask, beat: Beat) -> tuple[Entry, ...]:
    """Encode a part and put it into the store, not yet committed; a clip that cannot be read is a row that says so."""
    data = Dataset.open(task.place)
    torch.set_num_threads(1)
    rows, pieces, offset = [], [], 0
    for clip in task.clips:
        try:
            latent = encode_clip(data.read_row(clip), task.config, clip["duration_s"])
        except InputError as error:
            rows.append(_row(clip, task.part, "failed", str(error)))
            continue
        rows.append(_row(clip, task.part, "ok") | {"frames": len(latent), "offset": offset})
        pieces.append(latent.tobytes())
        offset += len(pieces[-1])
        beat(len(latent) * ENCODED_FPS // LATENT_FPS)
    return _write(Ledger(data.store), task, rows, b"".join(pieces))


def _row(clip: Mapping[str, Any], part: str, outcome: str, reason: str = "") -> dict[str, Any]:
    row = {"clip_id": clip["clip_id"], "outcome": outcome, "reason": reason}
    return row | {"frames": 0, "part": f"{part}.f16", "offset": 0}


def _write(ledger: Ledger, task: LatentTask, rows: list[dict[str, Any]], content: bytes) -> tuple[Entry, ...]:
    facts = {b"latents": json.dumps(task.config.facts(), sort_keys=True).encode()}
    table = rows_to_table(rows, SCHEMA).replace_schema_metadata(facts)
    return (
        ledger.write(f"{task.prefix}{task.part}.f16", content, kind="columns", rows=len(rows)),
        ledger.write_table(f"{task.prefix}{task.part}.parquet", table, kind="columns"),
    )


def encode_clip(mp4: bytes, config: LatentConfig, duration_s: float) -> np.ndarray:
    """Return the latents of a clip's whole seconds, at most 16 of them about its middle, float16 `[t c h w]`.

    Raises:
        InputError: it lasts less than a second, or is damaged.
    """
    made = encoder(config.autoencoder)
    seconds = min(MAX_SECONDS, int(duration_s + 1e-6))
    if seconds < 1:
        raise InputError(f"it lasts {duration_s:.2f} s, less than a second")
    height, width = config.rows * made.config.cell, config.columns * made.config.cell
    shape = BucketConfig(frames=seconds * ENCODED_FPS, fps=ENCODED_FPS, height=height, width=width)
    frames = read_frames(mp4, shape)
    with torch.inference_mode():  # a second at a time: patches in float32 are large
        some = [made.encode(to_view(part))[0] for part in np.split(frames, seconds)]
        return torch.cat(some, dim=1).transpose(0, 1).to(torch.float16).numpy()


class _Here:
    """A runner that works in this process, one item after the other."""

    def map(self, function: Any, items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for item in items:
            yield item, function(item, lambda num_frames: None)


def build(
    place: str,
    clips: Mapping[LatentConfig, Sequence[str]],
    runner: Runner | None = None,
    watch: Callable[[int, int], None] = lambda done, wanted: None,
) -> dict[LatentConfig, Latents]:
    """Make the latents that the dataset at `place` lacks of `clips` (their ids), and open all of them.

    A part that is committed stays, so a build that was killed loses at most the parts that were being made, and the
    same clips give the same bytes. `watch(done, wanted)` counts clips. Without a runner, this process does the work.

    Raises:
        InputError: no dataset, an unknown clip, another run that fills the dataset.
        RushesError: the disk is full; the next build goes on.
    """
    lacking = {config: ids for config in clips if (ids := _lacking(Dataset.open(place), config, clips[config]))}
    if lacking:
        with alone(place):
            data = Dataset.open(place)
            wanted, done = sum(map(len, lacking.values())), 0
            tasks = list(_tasks(data, place, lacking))
            watch(done, wanted)
            for num in _run(data.ledger, runner or _Here(), tasks):
                done += num
                watch(done, wanted)
    data = Dataset.open(place)
    return {config: Latents.open(data, config) for config in clips}


def _lacking(data: Dataset, config: LatentConfig, ids: Sequence[str]) -> list[str]:
    there = set(Latents.open(data, config).rows)
    return [clip_id for clip_id in ids if clip_id not in there]


def _tasks(data: Dataset, place: str, lacking: Mapping[LatentConfig, Sequence[str]]) -> Iterator[LatentTask]:
    table = data.clips()
    index = {clip_id: i for i, clip_id in enumerate(table["clip_id"].to_pylist())}
    for config, ids in lacking.items():
        prefix = config.prefix()
        for start in range(0, len(ids), PART_CLIPS):
            at = [
                index[clip_id] if clip_id in index else _unknown(data, clip_id) for clip_id in ids[start:][:PART_CLIPS]
            ]
            rows = table.select(list(NEEDED)).take(pa.array(at, pa.int64())).to_pylist()
            yield LatentTask(place=place, config=config, prefix=prefix, clips=tuple(rows))


def _unknown(data: Dataset, clip_id: str) -> int:
    data.clip(clip_id)  # raises, and names the nearest
    raise AssertionError(clip_id)


def _run(ledger: Ledger, runner: Runner, tasks: Sequence[LatentTask]) -> Iterator[int]:
    """Commit parts as they come; of a part that brings its worker down, every clip is tried alone."""
    broken: list[LatentTask] = []
    for task, result in runner.map(encode_part, iter(tasks)):
        if isinstance(result, Failure):
            _raise(result)
            broken += [replace(task, clips=(clip,)) for clip in task.clips]
            continue
        ledger.commit(result)
        yield len(task.clips)
    for task, result in runner.map(encode_part, iter(broken)):
        if isinstance(result, Failure):
            _raise(result)
            row = _row(task.clips[0], task.part, result.kind, result.reason)
            result = _write(ledger, task, [row], b"")
        ledger.commit(result)
        yield 1


def _raise(failure: Failure) -> None:
    if failure.error is not None:
        raise failure.error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Latents:
    """The latents of one grid: `rows` say where each clip's lie; `channels` x `height` x `width` is one frame."""

    store: Store
    prefix: str
    rows: dict[str, dict[str, Any]]
    channels: int
    height: int
    width: int

    @classmethod
    def open(cls, data: Dataset, config: LatentConfig) -> Latents:
        """Open what is committed, which may be nothing. Raises: WeightsError."""
        prefix = config.prefix()
        paths = [path for path in data.ledger.paths(prefix) if path.endswith(".parquet")]
        rows = {row["clip_id"]: row for path in paths for row in data.ledger.table(path).to_pylist()}
        channels = encoder(config.autoencoder).config.channels
        return cls(
            store=data.store, prefix=prefix, rows=rows, channels=channels, height=config.rows, width=config.columns
        )

    def frames(self, clip_id: str) -> int:
        """Return how many latent frames a clip has; 0 where it could not be encoded, or was not."""
        row = self.rows.get(clip_id)
        return row["frames"] if row else 0

    def failures(self) -> dict[str, str]:
        """Return why clips have no latents, by clip."""
        return {clip_id: row["reason"] for clip_id, row in self.rows.items() if row["outcome"] != "ok"}

    def take(self, clip_id: str, first: int, num: int) -> np.ndarray:
        """Return `num` latent frames of a clip from frame `first` on, float16 `[c t h w]`.

        Raises:
            RushesError: the part is cut short.
        """
        row, size = self.rows[clip_id], 2 * self.channels * self.height * self.width
        assert first >= 0 and first + num <= row["frames"], (clip_id, first, num)
        content = self.store.get(self.prefix + row["part"], start=row["offset"] + first * size, length=num * size)
        if len(content) != num * size:
            raise RushesError(f"{self.prefix}{row['part']} is cut short; delete it and train again")
        shape = (num, self.channels, self.height, self.width)
        return np.frombuffer(content, np.float16).reshape(shape).transpose(1, 0, 2, 3).copy()


def nearest_grid(grids: Sequence[tuple[int, int]], width: int, height: int) -> tuple[int, int]:
    """Return the (rows, columns) whose aspect is nearest to that of `width` x `height`, by proportion."""
    wanted = width / height

    def distance(grid: tuple[int, int]) -> float:
        aspect = grid[1] / grid[0]
        return max(aspect / wanted, wanted / aspect)

    return min(grids, key=distance)
