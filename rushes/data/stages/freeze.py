"""Which share of a clip stands frozen, and for how long at most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushes.data.decode.analysis import View
from rushes.data.stages import Stage

SAME_LEVELS, SAME_PEAK_LEVELS = 0.05, 2.0  # a static camera's noise changes a frame by more
LEAST_S = 0.2  # a cartoon drawn on twos or threes repeats frames and does not freeze


def runs(flags: np.ndarray) -> np.ndarray:
    """Return (first, end) of each stretch of true values of `flags` (bool `[n]`), int64 `[m 2]`, half-open."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2)


def _measure(views: Sequence[View]) -> list[dict[str, Any]]:
    return [_row(view) for view in views]


def _row(view: View) -> dict[str, Any]:
    signals, times_s = view.analysis.signals, view.analysis.times_s
    if len(times_s) < 2:
        return {"failed": "the clip holds fewer than two frames"}
    # Frame 0 is compared with a frame outside the clip; repeated[i] speaks of frame i + 1.
    is_repeated = (signals["change"][1:] <= SAME_LEVELS) & (signals["change_peak"][1:] <= SAME_PEAK_LEVELS)
    lengths_s = np.array([times_s[end] - times_s[first] for first, end in runs(is_repeated)])
    frozen_s = lengths_s[lengths_s >= LEAST_S]
    return {
        "share": float(frozen_s.sum() / (times_s[-1] - times_s[0])),
        "longest_s": float(frozen_s.max(initial=0.0)),
        "repeated": float(is_repeated.mean()),
    }


SPEC = Stage(
    name="freeze",
    columns=dict.fromkeys(("share", "longest_s", "repeated"), "float32"),
    version=lambda argument: "1",
    load=lambda argument: _measure,
)
