"""What the camera does in a clip: it stands still, pans, tilts, zooms or shakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rushes.data.decode.analysis import View
from rushes.data.stages import Stage
from rushes.data.stages.motion import jitter

STILL_PER_S = 0.01  # width + height: 1.6 % of a 16:9 picture's width in a second is not seen as a move
SHAKE_PER_S = 0.02
EDGE = 0.25  # a zoom moves the middle of an edge by this share of width + height


def classify(moves: np.ndarray, shake: float) -> str:
    """Return the class of a clip from its `moves` (float `[m 3]`) and its jitter `shake`, all per second.

    The columns are pan (right positive), tilt (up positive) and zoom (in positive), the zoom as what it moves at the
    picture's edge, in fractions of width + height.
    """
    net = moves.mean(0)
    largest = int(np.abs(net).argmax())
    speed = float(np.abs(net[largest]))
    if shake >= SHAKE_PER_S and shake > speed:
        return "shake"
    if speed < STILL_PER_S:
        return "still"
    return (("pan_right", "pan_left"), ("tilt_up", "tilt_down"), ("zoom_in", "zoom_out"))[largest][
        int(net[largest] < 0)
    ]


def _measure(views: Sequence[View]) -> list[dict[str, Any]]:
    return [_row(view) for view in views]


def _row(view: View) -> dict[str, Any]:
    signals, times_s = view.analysis.signals, view.analysis.times_s
    known = np.isfinite(signals["pan"])
    if not known.any() or len(times_s) < 2:
        return {"failed": "no two frames could be compared: the clip is too short, or its sides are below 16 px"}
    fps = (len(times_s) - 1) / float(times_s[-1] - times_s[0])
    pan, tilt, zoom, roll = (signals[name][known].astype(np.float64) * fps for name in ("pan", "tilt", "zoom", "roll"))
    moves, shake = np.stack([pan, tilt, EDGE * zoom], 1), jitter(pan, tilt)
    kind = classify(moves, shake)
    if kind == "shake":
        agree = shake / (shake + float(np.abs(moves.mean(0)).max()))
    else:
        agree = float(np.mean([classify(move[None], 0.0) == kind for move in moves]))
    return {
        "kind": kind,
        "confidence": agree * float(signals["follow"][known].mean()),
        "pan_per_s": float(pan.mean()),
        "tilt_per_s": float(tilt.mean()),
        "zoom_per_s": float(zoom.mean()),
        "roll_per_s": float(roll.mean()),
    }


_NUMBERS = ("confidence", "pan_per_s", "tilt_per_s", "zoom_per_s", "roll_per_s")

SPEC = Stage(
    name="camera",
    columns={"kind": "string", **dict.fromkeys(_NUMBERS, "float32")},
    version=lambda argument: "1",
    load=lambda argument: _measure,
)
