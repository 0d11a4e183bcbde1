"""Duplicates: which clips show the same footage, though re-encoded, resized, cropped, re-timed or subtitled.

Clips that might be alike meet in buckets of a few sign bits of their hashes; those that meet are compared in full. The
number of comparisons grows with the number of clips, not with its square.

Cost: 48 keys of 8 bytes a clip to sort, a third of them at a time, and a few comparisons a clip of about 1 ms; the
hashes themselves are read from where they lie, some hundreds at once. Of 600 million clips the keys take
230 GB and are sorted in parts by their first bits, the hashes (3.9 kB each) 2.3 TB, a thousandth of the footage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rushes.data.stages import hash as hashes
from rushes.errors import InputError

CROP = 0.05  # of each side; the copies that are looked for
OFFSETS = (0.0, 0.5, 1.0)
FINE_PX, COARSE_PX, MOVE_PX = 1.0, 3.0, 2.0  # Gaussian blurs, in cells of the hash
LIMIT = 1.5  # standard deviations: one bright title must not outweigh the picture
NOISE = 0.5  # levels of luma; below there is nothing but the encoder's
STILL = 0.7  # levels of luma; what changes less between the thirds does not move
STRICTER = 5.0
NUM_FREQUENCIES = 16
NUM_WEAK = 4
LEAST_BITS, SPARE_BITS = 16, 7  # of a key; spare: strangers meet a few times a clip, not a few hundred times
PROMISING = 0.3  # correlation of look, uncropped; below, no crop makes a pair one
_BLOCK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupConfig:
    """When two clips are one: from similarity `same` up, or from `doubtful` up where their embeddings' cosine agrees.

    `key_bits` is the length of a bucket's key, 0 for the logarithm of the number of clips plus 7; a clip is
    compared with at most the `bucket` best clips of each of its buckets.
    """

    same: float = 0.7
    doubtful: float = 0.6
    embedding_cosine: float = 0.95
    key_bits: int = 0
    bucket: int = 16

    def __post_init__(self) -> None:
        for name in ("same", "doubtful", "embedding_cosine"):
            if not -1 <= getattr(self, name) <= 1:
                nearest = max(-1, min(1, getattr(self, name)))
                raise InputError(f"{name} {getattr(self, name)} is illegal; the nearest legal value is {nearest}")
        if not (self.key_bits == 0 or 8 <= self.key_bits <= 48):
            raise InputError(f"key_bits {self.key_bits} is illegal; legal are 0 and 8 to 48")
        if self.bucket < 1:
            raise InputError(f"bucket {self.bucket} is illegal; the nearest legal value is 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A clip as duplicates are sought among: its id, and what makes it worth keeping."""

    id: str
    num_pixels: int
    duration_s: float


def duplicates(
    candidates: Sequence[Candidate],
    means: np.ndarray,
    *,
    embeddings: np.ndarray | None = None,
    config: DedupConfig | None = None,
) -> dict[str, tuple[str, float]]:
    """Return, for each clip that repeats another, the clip that is kept in its place and their similarity.

    Of clips that are alike the one with the most pixels is kept, then the longest, then the first by id; the order of
    `candidates` does not matter. What a clip repeats is always kept itself, and alike without a clip in between.
    `means` are their hashes, uint8 `[n 3 27 48]`; they may lie in a mapped file, for only blocks of them are read at
    once. `embeddings` is float `[n d]`, a row of NaN where there is none.

    Raises:
        InputError: the hashes or the embeddings are not one row per clip.
    """
    config = config or DedupConfig()
    for name, found in (("hashes", means), ("embeddings", embeddings)):
        if found is not None and len(found) != len(candidates):
            raise InputError(f"there are {len(found)} {name} for {len(candidates)} clips; one each is legal")
    rank = np.array(sorted(range(len(candidates)), key=lambda i: _worth(candidates[i])), np.int64)
    best_first = [candidates[i] for i in rank]
    vectors = None if embeddings is None else _unit(np.asarray(embeddings, np.float32)[rank])
    twins: dict[str, tuple[str, float]] = {}
    dropped = np.zeros(len(best_first), bool)
    # By the worse clip of a pair: whether the better one is kept is then known.
    for pairs in _blocks(meetings(means, config, rank)):
        pairs = pairs[~dropped[pairs[:, 0]]]
        values = similarity(means[rank[pairs[:, 0]]], means[rank[pairs[:, 1]]])
        for (better, worse), value in zip(pairs.tolist(), values.tolist(), strict=True):
            if dropped[better] or not _is_same(better, worse, value, vectors, config):
                continue
            old = twins.get(best_first[worse].id)
            if old is None or value > old[1]:
                twins[best_first[worse].id] = (best_first[better].id, value)
            dropped[worse] = True
    return twins


def _worth(candidate: Candidate) -> tuple[int, float, str]:
    return -candidate.num_pixels, -candidate.duration_s, candidate.id


def _is_same(better: int, worse: int, value: float, vectors: np.ndarray | None, config: DedupConfig) -> bool:
    if value >= config.same:
        return True
    if vectors is None or value < config.doubtful:
        return False
    return float(vectors[better] @ vectors[worse]) >= config.embedding_cosine  # false for NaN


def _blocks(pairs: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the pairs in blocks that never part those of one worse clip."""
    start = 0
    while start < len(pairs):
        end = min(start + _BLOCK, len(pairs))
        while end < len(pairs) and pairs[end, 1] == pairs[end - 1, 1]:
            end += 1
        yield pairs[start:end]
        start = end


def meetings(means: np.ndarray, config: DedupConfig, rank: np.ndarray | None = None) -> np.ndarray:
    """Return the pairs of clips that share a bucket, int64 `[m 2]`, the better (lower) place first; by the worse.

    `means` are hashes, uint8 `[n 3 27 48]`; `rank` (int64 `[n]`) names them, the clip most worth keeping first. Without
    it they lie in that order.
    """
    num = len(means)
    bits = config.key_bits or max(LEAST_BITS, SPARE_BITS + int(np.ceil(np.log2(max(2, num)))))
    met: list[np.ndarray] = [np.zeros(0, np.int64)]
    for picture in range(hashes.NUM_MEANS):
        keys = bucket_keys(means[:, picture], bits)
        keys = keys if rank is None else keys[rank]
        owner = np.repeat(np.arange(num), keys.shape[1])
        order = np.lexsort((owner, keys.ravel()))
        key, owner = keys.ravel()[order], owner[order]
        starts = np.concatenate([[True], key[1:] != key[:-1]]) if len(key) else np.zeros(0, bool)
        first = np.maximum.accumulate(np.where(starts, np.arange(len(key)), 0))
        for place in range(config.bucket):
            other = first + place
            late = np.flatnonzero(other < np.arange(len(key)))
            better, worse = owner[other[late]], owner[late]
            met.append(np.unique(worse * num + better))
    joined = np.unique(np.concatenate(met))
    worse, better = np.divmod(joined, max(1, num))
    return np.stack([better, worse], axis=1)


def bucket_keys(pictures: np.ndarray, bits: int) -> np.ndarray:
    """Return the keys under which mean pictures (`[n 27 48]`) are filed, int64 `[n 16]`.

    A key is the signs of the `bits` lowest frequencies of the picture's cosine transform, the mean left out. The
    four least certain signs are filed both ways, so a copy still meets its original when any of them, of either, turn.

    Source: Lv et al. 2007, "Multi-probe LSH", section 4.3 (probe the least certain bits first).
    """
    rows, columns = _cosines(pictures.shape[1]), _cosines(pictures.shape[2])
    order = sorted(
        ((u, v) for u in range(NUM_FREQUENCIES) for v in range(NUM_FREQUENCIES) if u + v),
        key=lambda uv: (uv[0] ** 2 + uv[1] ** 2, uv),
    )[:bits]
    chosen = tuple(np.array(order).T)
    keys = []
    for start in range(0, len(pictures), 1 << 11):
        spectrum = rows @ pictures[start : start + (1 << 11)].astype(np.float32) @ columns.T
        values = spectrum[:, chosen[0], chosen[1]] * np.hypot(*chosen).astype(np.float32)
        signs = (values > 0) @ (1 << np.arange(bits, dtype=np.int64))
        weak = np.argsort(np.abs(values), axis=1, kind="stable")[:, :NUM_WEAK]
        turned = np.zeros((len(values), 1), np.int64)
        for column in range(NUM_WEAK):
            flip = (1 << weak[:, column].astype(np.int64))[:, None]
            turned = np.concatenate([turned, turned | flip], axis=1)
        keys.append(signs[:, None] ^ turned)
    return np.concatenate(keys) if keys else np.zeros((0, 1 << NUM_WEAK), np.int64)


@lru_cache(maxsize=4)
def _cosines(num: int) -> np.ndarray:
    place = (2 * np.arange(num) + 1) * np.pi / (2 * num)
    return np.cos(np.arange(NUM_FREQUENCIES)[:, None] * place).astype(np.float32)


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how alike the hashes `a` and `b` (uint8 `[n 3 27 48]`) are, pair by pair, float32 `[n]` in [-1, 1].

    The lower of two: how alike they look, and, where something moves, how alike it moves. Two takes from one camera
    position look alike; only their motion tells them apart. Where nothing moves nothing was caught at another moment
    either, so pictures of one thing agree closely: what is missing to 1 counts five times.
    """
    plain = np.median(np.einsum("nkd,nkd->nk", *(described(means, _warps()[0])[0] for means in (a, b))), axis=1)
    promising = np.flatnonzero(plain >= PROMISING)
    values = plain.astype(np.float32)
    look, move, level = likeness(a[promising], b[promising])
    values[promising] = np.where(level < STILL, 1 - STRICTER * (1 - look), np.minimum(look, (1 + move) / 2))
    return values


def likeness(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return correlation of look, correlation of change, and the larger change in levels of luma, each float32 `[n]`.

    Look is the band-passed pictures, the middle one of the three thirds; change is the differences between the thirds.
    Each is the better of all ways to lay one hash, uncropped, on the other, uncropped or cropped by 5 %.
    """
    warps = _warps()
    looks, moves = [], []
    (look_a, move_a), (look_b, move_b) = (described(means, warps[0]) for means in (a, b))
    looks.append(np.einsum("nkd,nkd->nk", look_a, look_b))
    moves.append(_cosine(move_a, move_b))
    for warp in warps[1:]:
        for whole, other in (((look_a, move_a), b), ((look_b, move_b), a)):
            look, move = described(other, warp)
            looks.append(np.einsum("nkd,nkd->nk", whole[0], look))
            moves.append(_cosine(whole[1], move))
    level = np.maximum(*(np.sqrt((move**2).mean(axis=1)) for move in (move_a, move_b)))
    return np.median(np.max(looks, axis=0), axis=1), np.max(moves, axis=0), level


def described(means: np.ndarray, warp: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return look and change of hashes seen through a warp: unit vectors float32 `[n 3 1296]`, levels `[n 2592]`."""
    rows, columns = warp
    warped = rows @ means.astype(np.float32) @ columns.T
    band = _blurred(warped, FINE_PX) - _blurred(warped, COARSE_PX)
    deviation = np.sqrt((band**2).mean(axis=(2, 3), keepdims=True)) + NOISE
    look = np.clip(band / deviation, -LIMIT, LIMIT).reshape(*band.shape[:2], hashes.HEIGHT * hashes.WIDTH)
    change = _blurred(
        np.stack([warped[:, 2] - warped[:, 0], warped[:, 1] - (warped[:, 0] + warped[:, 2]) / 2], 1), MOVE_PX
    )
    change = change - change.mean(axis=(2, 3), keepdims=True)  # a slow change of light is no motion
    look = _unit(look - look.mean(axis=-1, keepdims=True))
    return look, change.reshape(len(change), 2 * hashes.HEIGHT * hashes.WIDTH)


def _blurred(pictures: np.ndarray, sigma: float) -> np.ndarray:
    return _blur(hashes.HEIGHT, sigma) @ pictures @ _blur(hashes.WIDTH, sigma).T


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", _unit(a), _unit(b))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)


@lru_cache(maxsize=1)
def _warps() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return (rows, columns) of each way to look at a picture: whole, then cropped at nine places."""
    whole = (np.eye(hashes.HEIGHT, dtype=np.float32), np.eye(hashes.WIDTH, dtype=np.float32))
    return (
        whole,
        *((_cropped(hashes.HEIGHT, y), _cropped(hashes.WIDTH, x)) for y in OFFSETS for x in OFFSETS),
    )


def _cropped(num: int, offset: float) -> np.ndarray:
    """Return the matrix that stretches 95 % of `num` cells, from `offset` of what is left over, to all of them."""
    at = np.clip((np.arange(num) + 0.5) * (1 - CROP) + offset * CROP * num - 0.5, 0, num - 1)
    low = np.minimum(at.astype(int), num - 2)
    matrix = np.zeros((num, num), np.float32)
    matrix[np.arange(num), low] = 1 - (at - low)
    matrix[np.arange(num), low + 1] += at - low
    return matrix


@lru_cache(maxsize=8)
def _blur(num: int, sigma: float) -> np.ndarray:
    """Return the matrix of a Gaussian blur along one side, edges mirrored."""
    reach = int(np.ceil(3 * sigma))
    taps = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    matrix = np.zeros((num, num), np.float32)
    for row in range(num):
        for tap, weight in zip(range(row - reach, row + reach + 1), taps, strict=True):
            mirrored = -tap if tap < 0 else 2 * (num - 1) - tap if tap >= num else tap
            matrix[row, mirrored] += weight
    return matrix
