"""How sharp a clip is: the variance of the Laplacian at 512 px of the short side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushes.data.decode.analysis import View
from rushes.data.decode.signals import SHARP_PX
from rushes.data.stages import Stage


def _measure(views: Sequence[View]) -> list[dict[str, Any]]:
    return [_row(view) for view in views]


def _row(view: View) -> dict[str, Any]:
    values = view.analysis.signals["sharpness"]
    values = values[np.isfinite(values)].astype(np.float64)
    if not len(values):
        return {"failed": "no frame of the clip was sampled: it is shorter than a sample's distance"}
    return {
        "median": float(np.median(values)),
        "lowest": float(values.min()),
        "highest": float(values.max()),
        "at_px": min(SHARP_PX, view.analysis.probe.width, view.analysis.probe.height),
    }


SPEC = Stage(
    name="sharpness",
    columns={**dict.fromkeys(("median", "lowest", "highest"), "float32"), "at_px": "int64"},
    version=lambda argument: "1",
    load=lambda argument: _measure,
)
