"""How light a clip is, and which share of its frames is black or blown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rushes.data.decode.analysis import View
from rushes.data.stages import Stage

BLACK_FRAME, BLOWN_FRAME = 0.95, 0.5  # shares of a frame's pixels


def _measure(views: Sequence[View]) -> list[dict[str, Any]]:
    return [_row(view) for view in views]


def _row(view: View) -> dict[str, Any]:
    signals = view.analysis.signals
    if not len(view.analysis.times_s):
        return {"failed": "the clip holds no frame"}
    return {
        "black": float((signals["black"] >= BLACK_FRAME).mean()),
        "blown": float((signals["blown"] >= BLOWN_FRAME).mean()),
        "luma": float(signals["luma"].mean()) / 255,
        "contrast": float(signals["contrast"].mean()) / 255,
    }


SPEC = Stage(
    name="exposure",
    columns=dict.fromkeys(("black", "blown", "luma", "contrast"), "float32"),
    version=lambda argument: "1",
    load=lambda argument: _measure,
)
