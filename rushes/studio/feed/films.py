"""The films that a feed chooses from, as arrays: what a policy sees, whether they come from a studio or a simulator."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rushes.studio.feed.words import WIDTH
from rushes.studio.social.posts import HEADS

NUM_HEADS = len(HEADS)
NUM_SIMILARITY = 8
NUM_BUCKETS = 2 * NUM_SIMILARITY  # near to one's taste, and by somebody one follows or not
TREND_S = 2 * 86_400
TREND_WEIGHTS = np.array([5.0, 4.0, 2.0, 0.5, 0.0, -2.0, -10.0], np.float32)


@dataclass(slots=True, kw_only=True)
class Films:
    """Row by row, one film: who made it, when, where its text points, what came of showing it.

    `author` numbers the names in `authors`; `vector` is float32 `[n, WIDTH]`; `counts` float32 `[n, heads]`;
    `rates` holds views and heads by bucket, float64 `[buckets, 1 + heads]`; `trend` and `by_author` are sums
    over the rest.
    """

    ids: list[str]
    row_of: dict[str, int]
    authors: dict[str, int]
    author: np.ndarray
    vector: np.ndarray
    created_at: np.ndarray
    is_listed: np.ndarray
    is_adult: np.ndarray
    is_winner: np.ndarray
    views: np.ndarray
    counts: np.ndarray
    rates: np.ndarray
    trend: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    by_author: np.ndarray = field(default_factory=lambda: np.zeros((0, 1 + NUM_HEADS)))

    @property
    def num(self) -> int:
        """Return how many films there are, shown or not."""
        return len(self.created_at)

    def rows(self, ids: list[str] | tuple[str, ...]) -> np.ndarray:
        """Return the rows of the films that are there."""
        found = (self.row_of.get(name, self.num) for name in ids)
        return np.array([row for row in found if row < self.num], np.int64)

    def by(self, authors: frozenset[str]) -> np.ndarray:
        """Return which films these people made, bool `[n]`."""
        chosen = np.zeros(len(self.authors), bool)
        chosen[[self.authors[name] for name in authors if name in self.authors]] = True
        return chosen[self.author]


def empty(capacity: int = 0) -> Films:
    """Return `capacity` rows of nothing."""
    return Films(
        ids=[],
        row_of={},
        authors={},
        author=np.zeros(capacity, np.int32),
        vector=np.zeros((capacity, WIDTH), np.float32),
        created_at=np.zeros(capacity),
        is_listed=np.zeros(capacity, bool),
        is_adult=np.zeros(capacity, bool),
        is_winner=np.zeros(capacity, bool),
        views=np.zeros(capacity, np.float32),
        counts=np.zeros((capacity, NUM_HEADS), np.float32),
        rates=np.zeros((NUM_BUCKETS, 1 + NUM_HEADS)),
    )


def trends(films: Films, moment: float) -> np.ndarray:
    """Return how much is made of each film lately, float32 `[n]`: its reactions by weight, halved every two days."""
    age = np.maximum(moment - films.created_at, 0.0)
    return ((films.counts @ TREND_WEIGHTS) * np.exp2(-age / TREND_S)).astype(np.float32)
