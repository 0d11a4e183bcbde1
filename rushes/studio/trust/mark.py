"""The invisible mark: a keyed pattern of faint light and dark, the same in every frame, that says which film this is.

Spread spectrum: the picture is a grid of cells, each a little lighter or darker by a keyed sign; a quarter of the cells
say that there is a mark at all, the others carry the film's number, each bit over many cells. It survives H.264 at crf
30 and a smaller size; it does not survive cropping, turning or mirroring, which move the grid.
Source: I. Cox et al., "Secure spread spectrum watermarking for multimedia", 1997; grid and clipping are our own.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

ROWS, COLUMNS, BITS = 40, 72, 32
STRENGTH = 1.2  # luma levels at the middle of a cell: about 47 dB, unseen on a plain sky
SYNC_SHARE = 0.25
CLIP = 1.5  # levels of a cell's difference from its neighbours that count as light and dark of the film itself
NUM_DOUBTED = 3  # bits of a number, the weakest, that may have been read wrong: 8 numbers are looked up
SURE_Z = 6.0  # a picture without a mark reaches this once in a billion


@dataclass(frozen=True, slots=True)
class Found:
    """What a film's frames say: `z` is how far from chance; `numbers` are what the film's may be, likeliest first.

    A film made small or noisy loses a bit now and then; among the numbers are those with the weakest bits turned over.
    """

    z: float
    numbers: tuple[int, ...]

    @property
    def is_there(self) -> bool:
        """Whether there is a mark of this key."""
        return self.z >= SURE_Z


class Mark:
    """The mark of one `key` (any bytes)."""

    def __init__(self, key: bytes) -> None:
        dice = np.random.Generator(np.random.PCG64(int.from_bytes(key, "big")))
        self._signs = dice.choice(np.array([-1.0, 1.0], np.float32), ROWS * COLUMNS)
        order = dice.permutation(ROWS * COLUMNS)
        num_sync = int(SYNC_SHARE * ROWS * COLUMNS)
        self._sync, data = order[:num_sync], order[num_sync:]
        self._cells = np.split(data[: len(data) // BITS * BITS], BITS)

    def frames(self, frames: Iterable[np.ndarray], number: int) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`, with the mark of film `number` (0 to 2^32 - 1) in them."""
        pattern: np.ndarray | None = None
        for frame in frames:
            if pattern is None or pattern.shape[:2] != frame.shape[:2]:
                pattern = self._pattern(number, *frame.shape[:2])
            yield np.clip(frame + pattern, 0, 255).astype(np.uint8)

    def find(self, frames: Iterable[np.ndarray]) -> Found:
        """Look for the mark in frames, uint8 RGB `[h w 3]`; a second's worth is plenty, one is often enough."""
        total, num = np.zeros((ROWS, COLUMNS)), 0
        for frame in frames:
            total += np.clip(_differences(_cell_means(frame.mean(axis=2, dtype=np.float32))), -CLIP, CLIP)
            num += 1
        if not num:
            return Found(0.0, ())
        signed = (total / num).ravel() * self._signs
        scores = np.array([_z(signed[cells]) for cells in self._cells])
        return Found(_z(signed[self._sync]), _numbers(scores))

    def _pattern(self, number: int, height: int, width: int) -> np.ndarray:
        """Return what is added to a frame, int16 `[h w 1]`."""
        signs = self._signs.copy()
        for bit, cells in enumerate(self._cells):
            signs[cells] *= 1.0 if number >> bit & 1 else -1.0
        grid = signs.reshape(ROWS, COLUMNS)
        rows, columns = _weights(height, ROWS), _weights(width, COLUMNS)
        # half a level of fixed noise keeps rounding from swallowing the faint slopes
        noise = np.random.Generator(np.random.PCG64(number)).random((height, width), np.float32)
        return np.floor(STRENGTH * (rows @ grid @ columns.T) + noise).astype(np.int16)[..., None]


def _numbers(scores: np.ndarray) -> tuple[int, ...]:
    """Return the numbers that the bits' `scores [32]` may mean, the fewer and weaker bits turned over the earlier."""
    likeliest = sum(1 << bit for bit, score in enumerate(scores) if score > 0)
    weakest = [int(bit) for bit in np.argsort(np.abs(scores), kind="stable")[:NUM_DOUBTED]]
    subsets = [turned for num in range(NUM_DOUBTED + 1) for turned in itertools.combinations(weakest, num)]
    subsets.sort(key=lambda turned: sum(abs(scores[bit]) for bit in turned))
    return tuple(likeliest ^ sum(1 << bit for bit in turned) for turned in subsets)


def _weights(pixels: int, cells: int) -> np.ndarray:
    """Return `[pixels cells]`: how much of each cell a pixel shows; cells fade into each other at their borders."""
    place = (np.arange(pixels, dtype=np.float32) + 0.5) * cells / pixels - 0.5
    distance = np.abs(place[:, None] - np.arange(cells, dtype=np.float32)[None])
    return np.clip(1.5 - 2.0 * distance, 0.0, 1.0).astype(np.float32)


def _cell_means(luma: np.ndarray) -> np.ndarray:
    """Return the mean `[rows columns]` of each cell of a picture `[h w]`."""
    height, width = luma.shape
    rows = np.linspace(0, height, ROWS + 1)[:-1].astype(int)
    columns = np.linspace(0, width, COLUMNS + 1)[:-1].astype(int)
    sums = np.add.reduceat(np.add.reduceat(luma, rows, axis=0), columns, axis=1)
    sizes = np.diff([*rows, height])[:, None] * np.diff([*columns, width])[None]
    return sums / np.maximum(sizes, 1)


def _differences(means: np.ndarray) -> np.ndarray:
    """Return how much each cell differs from its neighbours, across or along, whichever is less: edges are no mark."""
    wide = np.pad(means, 1, mode="reflect")
    across = means - (wide[1:-1, :-2] + wide[1:-1, 2:]) / 2
    along = means - (wide[:-2, 1:-1] + wide[2:, 1:-1]) / 2
    return np.where(np.abs(across) < np.abs(along), across, along)


def _z(values: np.ndarray) -> float:
    """Return by how many standard errors the mean of `values` is above 0."""
    spread = float(values.std())
    return float(values.mean()) / (spread / len(values) ** 0.5) if spread > 0 else 0.0
