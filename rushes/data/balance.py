"""Balance: clips of a crowded kind count less. Clusters of embeddings by k-means, weights by one over a square root."""

from __future__ import annotations

import numpy as np

MAX_FITTED = 100_000  # clusters are fitted to at most so many clips; every clip is then given to its nearest
NUM_STEPS = 25
_BLOCK = 8192


def default_clusters(num: int) -> int:
    """Return how many clusters `num` clips get where the preset names none: the square root of half of them."""
    return max(1, round((num / 2) ** 0.5))


def clusters(embeddings: np.ndarray, num_clusters: int, *, seed: int = 0) -> np.ndarray:
    """Return the cluster of each row of `embeddings` (float `[n d]`), int32 `[n]` in [0, num_clusters).

    Spherical k-means with k-means++ starts: a pure function of its arguments, so of the order of the rows as well;
    callers sort them. Costs n x num_clusters x d multiplications a step, and a row of float32 per clip in memory.

    Source: Dhillon and Modha 2001, "Concept decompositions", section 3; Arthur and Vassilvitskii 2007 for the starts.
    """
    rows = np.asarray(embeddings, np.float32)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    num_clusters = min(num_clusters, len(rows))
    if num_clusters < 1:
        return np.zeros(len(rows), np.int32)
    step = -(-len(rows) // MAX_FITTED)
    fitted = rows[::step]
    centres = _starts(fitted, min(num_clusters, len(fitted)), np.random.default_rng(seed))
    for _ in range(NUM_STEPS):
        nearest = _nearest(fitted, centres)
        sums = np.zeros_like(centres, dtype=np.float64)
        np.add.at(sums, nearest, fitted)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        moved = np.where(lengths > 1e-12, sums / np.maximum(lengths, 1e-12), centres).astype(np.float32)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return _nearest(rows, centres)


def weights(cluster: np.ndarray) -> np.ndarray:
    """Return each clip's weight, float32 `[n]` with mean 1: one over the square root of its cluster's size."""
    if not len(cluster):
        return np.zeros(0, np.float32)
    raw = 1 / np.sqrt(np.bincount(cluster)[cluster])
    return (raw / raw.mean()).astype(np.float32)


def _starts(rows: np.ndarray, num: int, rng: np.random.Generator) -> np.ndarray:
    chosen = [int(rng.integers(len(rows)))]
    distance = 1 - rows @ rows[chosen[0]]
    for _ in range(num - 1):
        odds = np.cumsum(np.maximum(distance, 0), dtype=np.float64)
        if odds[-1] <= 0:  # fewer different clips than clusters
            break
        chosen.append(int(np.searchsorted(odds, rng.random() * odds[-1], side="right").clip(0, len(rows) - 1)))
        distance = np.minimum(distance, 1 - rows @ rows[chosen[-1]])
    return rows[chosen]


def _nearest(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    blocks = [np.argmax(rows[i : i + _BLOCK] @ centres.T, axis=1) for i in range(0, len(rows), _BLOCK)]
    return np.concatenate([np.zeros(0, np.int64), *blocks]).astype(np.int32)
