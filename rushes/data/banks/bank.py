"""A bank: many equal samples made by a function, kept on disk in chunks, built once and read at random.

A chunk is a folder with one .npy file per column and rows.jsonl; it appears by a rename when it is whole, so a killed
build loses at most the chunks that were being made, and the next build makes only what is missing. Of two processes
that build one bank, one waits and finds it made.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rushes.errors import InputError, RushesError

CHUNK = 128
Row = tuple[dict[str, np.ndarray], dict[str, Any]]
Maker = Callable[[int], Row]


def key(values: dict[str, Any]) -> str:
    """Return 12 hexadecimal digits that stand for `values`; a bank's folder carries them."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def _write_chunk(folder: Path, number: int, make: Maker) -> int:
    final = folder / f"chunk-{number:05d}"
    rows = [make(number * CHUNK + i) for i in range(CHUNK)]
    draft = folder / f".chunk-{number:05d}-{os.getpid()}"
    draft.mkdir(parents=True)
    for column in rows[0][0]:
        np.save(draft / f"{column}.npy", np.stack([arrays[column] for arrays, _ in rows]))
    (draft / "rows.jsonl").write_text("".join(json.dumps(values) + "\n" for _, values in rows))
    if final.is_dir():  # by a worker that outlived its killed build
        shutil.rmtree(draft)
    else:
        draft.rename(final)
    _give_memory_back()
    return number


def _give_memory_back() -> None:
    """Return freed memory to the system: frames and patches between small objects leave glibc 3 MB a row otherwise."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none, and needs none
        if trim:
            trim(0)


def build(
    folder: Path, num: int, make: Maker, *, workers: int = 2, watch: Callable[[int, int], None] | None = None
) -> Bank:
    """Make at least `num` rows (whole chunks) in `workers` processes; `watch(done, wanted)` counts chunks.

    `make` must be picklable and depend on its index alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if _missing(folder, num):
        with _alone(folder):
            _make_chunks(folder, num, make, workers, watch)
    return Bank.open(folder, num)


def _missing(folder: Path, num: int) -> list[int]:
    return [number for number in range(-(-num // CHUNK)) if not (folder / f"chunk-{number:05d}").is_dir()]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process builds in `folder`; the lock ends with its process, however that ends."""
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in folder.glob(".chunk-*"):
            if not _is_alive(stale.name.removeprefix(".chunk-").partition("-")[2]):
                shutil.rmtree(stale, ignore_errors=True)
        yield
    finally:
        os.close(lock)


def _is_alive(number: str) -> bool:
    """Whether a process has this number; a worker outlives its killed build by a chunk."""
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _make_chunks(folder: Path, num: int, make: Maker, workers: int, watch: Callable[[int, int], None] | None) -> None:
    missing, wanted = _missing(folder, num), -(-num // CHUNK)
    done = wanted - len(missing)
    if missing and workers <= 1:
        for number in missing:
            _write_chunk(folder, number, make)
            done += 1
            if watch:
                watch(done, wanted)
    elif missing:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            for future in as_completed([pool.submit(_write_chunk, folder, number, make) for number in missing]):
                future.result()
                done += 1
                if watch:
                    watch(done, wanted)


@dataclass(frozen=True, slots=True)
class Bank:
    """An open bank of `num` rows; columns are memory-mapped, rows' values are in memory."""

    columns: list[dict[str, np.ndarray]]
    values: list[dict[str, Any]]
    num: int

    @classmethod
    def open(cls, folder: Path, num: int) -> Bank:
        """Open the first `num` rows.

        Raises:
            InputError: the bank holds fewer rows.
            RushesError: a chunk is damaged.
        """
        columns, values = [], []
        for number in range(-(-num // CHUNK)):
            chunk = folder / f"chunk-{number:05d}"
            if not chunk.is_dir():
                raise InputError(f"{folder} holds {number * CHUNK} rows, not {num}; build the bank again")
            try:
                columns.append({p.stem: np.load(p, mmap_mode="r") for p in sorted(chunk.glob("*.npy"))})
                values += [json.loads(line) for line in (chunk / "rows.jsonl").read_text().splitlines()]
            except (OSError, ValueError) as error:
                raise RushesError(f"{chunk} is damaged ({error}); delete it and build the bank again") from None
        return cls(columns, values, num)

    def __len__(self) -> int:
        return self.num

    def whole(self, column: str) -> np.ndarray:
        """Return all of `column`, in memory."""
        return np.concatenate([chunk[column] for chunk in self.columns])[: self.num]

    def take(self, column: str, indices: np.ndarray) -> np.ndarray:
        """Return `column` of the rows at `indices`, stacked."""
        return np.stack([self.columns[i // CHUNK][column][i % CHUNK] for i in indices])


def order(num: int, batch: int, seed: int, step: int) -> np.ndarray:
    """Return the row indices of a training step: epochs are permutations of (seed, epoch), batches follow each other.

    Stateless: the same (num, batch, seed, step) gives the same indices on any machine, so a run resumes anywhere.
    """
    return np.concatenate(list(_pieces(num, batch, seed, step)))


@lru_cache(maxsize=8)
def _permutation(num: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(num)


def _pieces(num: int, batch: int, seed: int, step: int) -> Iterator[np.ndarray]:
    start, left = step * batch, batch
    while left:
        epoch, offset = divmod(start, num)
        piece = _permutation(num, seed, epoch)[offset : offset + left]
        yield piece
        start, left = start + len(piece), left - len(piece)
