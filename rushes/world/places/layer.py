"""One sheet of paper in a backdrop: how far away it hangs, how it is drawn and how it moves by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import skia


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A static drawing in world units (origin at the frame centre, y down) with its own slow motion.

    `depth` is 0 for infinitely far, 1 for the plane of the subject, above 1 for the foreground.
    `drift` is a velocity in units per second; `sway_*` a horizontal sine (units, seconds, turns).
    `shadow` asks the renderer for a drop shadow beneath; `in_front` hides the subject behind the layer.
    """

    depth: float
    draw: Callable[[skia.Canvas], None]
    drift: tuple[float, float] = (0.0, 0.0)
    sway_amplitude: float = 0.0
    sway_period_s: float = 4.0
    sway_phase: float = 0.0
    shadow: bool = True
    in_front: bool = False

    def offset(self, t_s: float) -> tuple[float, float]:
        """Return how far the layer has moved by itself at time `t_s`, in units."""
        sway = self.sway_amplitude * math.sin(2 * math.pi * (t_s / self.sway_period_s + self.sway_phase))
        return self.drift[0] * t_s + sway, self.drift[1] * t_s
