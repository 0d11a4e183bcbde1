"""How much moves, in fractions of width + height per frame, and how much the camera jitters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushes.data.decode.analysis import View
from rushes.data.stages import Stage


def jitter(pan: np.ndarray, tilt: np.ndarray) -> float:
    """Return the camera's unsteadiness in fractions of width + height per frame: 0 for a stand and for an even pan.

    It is the root mean square of each sampled move less the mean of its two neighbours, scaled so that moves drawn
    at random read as their own root mean square. 0 for fewer than three samples (float `[m]` each).
    """
    if len(pan) < 3:
        return 0.0
    off = [axis[1:-1] - (axis[:-2] + axis[2:]) / 2 for axis in (pan, tilt)]
    return float(np.sqrt(np.mean(off[0] ** 2 + off[1] ** 2) / 1.5))


def _measure(views: Sequence[View]) -> list[dict[str, Any]]:
    return [_row(view) for view in views]


def _row(view: View) -> dict[str, Any]:
    signals = view.analysis.signals
    known = np.isfinite(signals["motion"])
    if not known.any():
        return {"failed": "no two frames could be compared: the clip is too short, or its sides are below 16 px"}
    motion = signals["motion"][known].astype(np.float64)
    return {
        "mean": float(motion.mean()),
        "median": float(np.median(motion)),
        "p10": float(np.quantile(motion, 0.1)),
        "p90": float(np.quantile(motion, 0.9)),
        "peak": float(np.quantile(signals["motion_p90"][known], 0.9)),
        "jitter": jitter(signals["pan"][known].astype(np.float64), signals["tilt"][known].astype(np.float64)),
    }


SPEC = Stage(
    name="motion",
    columns=dict.fromkeys(("mean", "median", "p10", "p90", "peak", "jitter"), "float32"),
    version=lambda argument: "1",
    load=lambda argument: _measure,
)
