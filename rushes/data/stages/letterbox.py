"""How wide the black bars around the picture are, in the source's pixels, and what share of the area they leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushes.data.decode.analysis import View
from rushes.data.stages import Stage

BAR_QUANTILE = 0.1  # a bar is black all the time; one noisy sample in ten may say less


def _measure(views: Sequence[View]) -> list[dict[str, Any]]:
    return [_row(view) for view in views]


def _row(view: View) -> dict[str, Any]:
    bars = view.analysis.signals["bars"]
    bars = bars[np.isfinite(bars).all(1)]
    if not len(bars):
        return {"failed": "every sampled frame of the clip is black"}
    top, bottom, left, right = (int(px) for px in np.quantile(bars, BAR_QUANTILE, axis=0, method="lower"))
    width, height = view.analysis.probe.width, view.analysis.probe.height
    remaining = max(0, height - top - bottom) * max(0, width - left - right) / (width * height)
    return {"top": top, "bottom": bottom, "left": left, "right": right, "remaining": remaining}


SPEC = Stage(
    name="letterbox",
    columns={**dict.fromkeys(("top", "bottom", "left", "right"), "int64"), "remaining": "float32"},
    version=lambda argument: "1",
    load=lambda argument: _measure,
)
