"""Where the subjects of a scene are and how its camera moves, as a film model is told it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rushes import layouts
from rushes.world import vocabulary as v
from rushes.world.camera import view
from rushes.world.motion import HALF_WIDTH, state
from rushes.world.scene import Scene

_STEP_S = 1 / 16  # either side of a time, for the camera's speed


def layout(scene: Scene, times_s: Sequence[float] | np.ndarray, half_width: float = HALF_WIDTH) -> np.ndarray:
    """Return the scene's layout at the given times, float32 `[n 17]`; `half_width` is the frame's, in units."""
    rows = np.zeros((len(times_s), layouts.COLUMNS), np.float32)
    for row, t_s in zip(rows, map(float, times_s), strict=True):
        before, seen, after = (view(scene, t_s + step) for step in (-_STEP_S, 0.0, _STEP_S))
        speed = (after.x - before.x, after.y - before.y, math.log2(after.zoom / before.zoom))
        row[: layouts.CAMERA] = [each / (2 * _STEP_S) for each in speed]
        for index, subject in enumerate(scene.subjects):
            at = state(scene, index, t_s, half_width)
            x, y, scale = seen.place(at.x, at.y)
            side = v.SIZES[subject.size] * at.scale * scale
            turn = math.radians(at.rotation)
            facing = -1.0 if at.flipped else 1.0
            looks = (x, y, math.log2(max(side, 0.02) / layouts.USUAL_SIDE), math.sin(turn), math.cos(turn))
            row[layouts.columns(index)] = (*looks, facing, at.opacity)
    return rows
