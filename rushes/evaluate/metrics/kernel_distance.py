"""How far a set of films lies from another in the oracle's features: the unbiased kernel distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rushes.errors import InputError
from rushes.evaluate.metric import Metric, Row

NUM_SUBSETS = 20


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1.0) ** 3


def unbiased_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Return the unbiased squared maximum mean discrepancy of features `[n d]` and `[m d]`; it may be below 0.

    Kernel: (x . y / d + 1)^3. Source: KID (arXiv 1801.01401), section 4; Gretton et al. (JMLR 2012), eq. 3.
    """
    n, m = len(x), len(y)
    own, other, between = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    within = (own.sum() - np.trace(own)) / (n * (n - 1)) + (other.sum() - np.trace(other)) / (m * (m - 1))
    return float(within - 2 * between.mean())


def measure(films: Sequence[np.ndarray], against: Sequence[np.ndarray]) -> list[Row]:
    """Score the features `[d]` of films against those of other, independent films: one row.

    `deviation` is the standard deviation over 20 random halves of both sets, drawn with a fixed seed.

    Raises:
        InputError: fewer than 4 films on a side.
    """
    if min(len(films), len(against)) < 4:
        raise InputError(f"a kernel distance needs 4 films on each side, not {len(films)} and {len(against)}")
    x, y = (np.stack(list(side)).astype(np.float64) for side in (films, against))
    rng = np.random.default_rng(0)
    halves = [
        unbiased_mmd(*(side[rng.choice(len(side), len(side) // 2, replace=False)] for side in (x, y)))
        for _ in range(NUM_SUBSETS)
    ]
    return [{"distance": unbiased_mmd(x, y), "deviation": float(np.std(halves)), "num": len(x), "num_real": len(y)}]


SPEC = Metric(
    name="kernel_distance",
    source="Binkowski et al., Demystifying MMD GANs (arXiv 1801.01401), section 4",
    measure=measure,
)
