"""Duplicates are found whatever the order, the best copy is kept, and different clips are left alone."""

import cv2
import numpy as np
import pytest

from rushes.data import dedup
from rushes.data.dedup import Candidate, DedupConfig
from rushes.data.stages import hash as hashes
from rushes.errors import InputError

NUM_FRAMES = 9


def film(seed: int, *, motion_seed: int | None = None) -> np.ndarray:
    """Return soft frames, float32 `[9 180 320]`: a place by `seed`, and blots that wander over it by `motion_seed`."""
    place = np.random.default_rng(seed).uniform(0, 255, (9, 16)).astype(np.float32)
    frames = np.stack([cv2.resize(place, (320, 180), interpolation=cv2.INTER_CUBIC)] * NUM_FRAMES)
    random = np.random.default_rng((seed if motion_seed is None else motion_seed, 1))
    at, by, level = random.uniform(40, 140, (3, 2)), random.uniform(-14, 14, (3, 2)), random.uniform(0, 255, 3)
    for index, frame in enumerate(frames):
        for (y, x), (dy, dx), bright in zip(at, by, level, strict=True):
            cv2.circle(frame, (int(2 * x + dx * index), int(y + dy * index)), 28, float(bright), -1)
    return np.clip(frames, 0, 255)


def means(frames: np.ndarray) -> np.ndarray:
    """Return the hash of frames, uint8 `[3 27 48]`, without the JPEGs in between."""
    small = np.stack([cv2.resize(frame, (48, 27), interpolation=cv2.INTER_AREA) for frame in frames])
    at = (np.arange(len(frames)) + 0.5) / len(frames)
    away = np.clip((at[None] - np.array(hashes.CENTRES)[:, None]) / hashes.HALF_WIDTH, -1, 1)
    weights = 1 + np.cos(np.pi * away)
    return np.round(np.tensordot(weights / weights.sum(axis=1, keepdims=True), small, 1)).astype(np.uint8)


def cropped(frames: np.ndarray) -> np.ndarray:
    return np.stack([frame[0:171, 16:320] for frame in frames])


def titled(frames: np.ndarray) -> np.ndarray:
    drawn = frames.astype(np.uint8)
    for frame in drawn:
        cv2.putText(frame, "Listen to me carefully", (30, 160), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 2, cv2.LINE_AA)
    return drawn.astype(np.float32)


def candidate(
    name: str, frames: np.ndarray, *, num_pixels: int = 100, duration_s: float = 3.0
) -> tuple[Candidate, np.ndarray]:
    return Candidate(id=name, num_pixels=num_pixels, duration_s=duration_s), means(frames)


def duplicates(group, **options):
    """Return the duplicates among pairs of a candidate and its hash."""
    found = np.array([hash_ for _, hash_ in group], np.uint8).reshape(-1, 3, 27, 48)
    return dedup.duplicates([one for one, _ in group], found, **options)


@pytest.mark.parametrize(
    "spoil", [cropped, titled, lambda frames: titled(cropped(frames)), lambda frames: frames * 0.9]
)
def test_a_copy_is_far_more_alike_than_another_film(spoil) -> None:
    for seed in range(5):
        ours, copy, other = means(film(seed)), means(spoil(film(seed))), means(film(seed + 100))
        alike, different = dedup.similarity(np.stack([ours, ours]), np.stack([copy, other]))
        assert alike >= DedupConfig().same, (seed, alike)
        assert different < DedupConfig().doubtful - 0.1, (seed, different)


def test_strangers_alone_and_nothing_at_all_can_be_compared() -> None:
    a, b = means(film(1))[None], means(film(100))[None]
    assert dedup.similarity(a, b)[0] < dedup.PROMISING
    assert dedup.similarity(a[:0], b[:0]).shape == (0,)


def test_similarity_is_symmetric_and_one_of_itself() -> None:
    a, b = means(film(1))[None], means(cropped(film(1)))[None]
    assert dedup.similarity(a, a) == pytest.approx(1.0, abs=1e-3)
    assert dedup.similarity(a, b) == pytest.approx(dedup.similarity(b, a), abs=1e-5)


def test_one_place_with_another_motion_is_no_duplicate() -> None:
    a, b = means(film(3))[None], means(film(3, motion_seed=77))[None]
    look, move, level = dedup.likeness(a, b)
    assert look[0] > 0.4 and move[0] < 0.4 and level[0] > dedup.STILL
    assert dedup.similarity(a, b)[0] < DedupConfig().same


def test_the_best_copy_is_kept_whatever_the_order() -> None:
    group = [
        candidate("small", film(1), num_pixels=10),
        candidate("large", cropped(film(1)), num_pixels=100),
        candidate("long", titled(film(1)), num_pixels=100, duration_s=4.0),
        candidate("other", film(2), num_pixels=5),
        candidate("a twin", film(5)),
        candidate("b twin", film(5)),
    ]
    found = duplicates(group)
    assert {name: kept for name, (kept, _) in found.items()} == {"small": "long", "large": "long", "b twin": "a twin"}
    random = np.random.default_rng(0)
    for _ in range(4):
        assert duplicates([group[i] for i in random.permutation(len(group))]) == found


def test_what_a_clip_repeats_is_kept_itself() -> None:
    group = [candidate(f"{seed}-{copy}", film(seed)) for seed in range(6) for copy in range(4)]
    found = duplicates(group)
    assert len(found) == 18
    assert not {kept for kept, _ in found.values()} & set(found)


def test_embeddings_decide_where_hashes_doubt() -> None:
    config = DedupConfig(same=1.0, doubtful=0.5)
    group = [candidate("a", film(1)), candidate("b", titled(film(1)))]
    agree, differ = np.array([[1.0, 0.1], [1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    assert duplicates(group, config=config) == {}
    assert set(duplicates(group, embeddings=agree, config=config)) == {"b"}
    assert duplicates(group, embeddings=differ, config=config) == {}
    assert duplicates(group, embeddings=np.full((2, 2), np.nan), config=config) == {}


def test_comparisons_grow_with_the_clips_and_not_with_their_square() -> None:
    def compared(num: int) -> int:
        random = np.random.default_rng(0)
        places = random.uniform(0, 255, (num, 3, 9, 16)).astype(np.float32)
        smooth = [[cv2.resize(p, (48, 27), interpolation=cv2.INTER_CUBIC) for p in one] for one in places]
        return len(dedup.meetings(np.clip(smooth, 0, 255).astype(np.uint8), DedupConfig()))

    few, many = compared(250), compared(2000)
    assert few < 250 * 12
    assert many < 2000 * 12


def test_a_crowded_bucket_still_finds_every_copy() -> None:
    group = [candidate(f"{index:02d}", film(1)) for index in range(40)]
    found = duplicates(group)
    assert len(found) == 39 and {kept for kept, _ in found.values()} == {"00"}


def test_few_clips_are_no_trouble() -> None:
    assert duplicates([]) == {}
    assert duplicates([candidate("a", film(1))]) == {}


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="1 embeddings for 2 clips"):
        duplicates([candidate("a", film(1)), candidate("b", film(2))], embeddings=np.zeros((1, 4)))
    with pytest.raises(InputError, match="0 hashes for 1 clips"):
        dedup.duplicates([candidate("a", film(1))[0]], np.zeros((0, 3, 27, 48), np.uint8))
    with pytest.raises(InputError, match=r"same 1\.5 is illegal; the nearest legal value is 1"):
        DedupConfig(same=1.5)
    with pytest.raises(InputError, match="key_bits 5 is illegal"):
        DedupConfig(key_bits=5)
    with pytest.raises(InputError, match="bucket 0 is illegal"):
        DedupConfig(bucket=0)
