"""The camera of the paper world: where it looks at a time, and how layers at different depths answer to that."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rushes.world.scene import Scene

PAN_SPEED = 0.14
PAN_TRAVEL = 0.6
TILT_SPEED = 0.11
TILT_TRAVEL = 0.3
ZOOM_RATE = 0.16
ZOOM_TRAVEL = 0.5
SHAKE = 0.022
MAX_SHAKE = 1.5 * SHAKE


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Where the camera looks, in units from the centre of the world (y down), and how much it magnifies."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0

    def place(self, x: float, y: float, depth: float = 1.0) -> tuple[float, float, float]:
        """Return where a point at a depth lands in the frame, in units, and its magnification there.

        Depth 0 is infinitely far and does not move at all; 1 is the plane of the subject.
        """
        scale = self.zoom**depth
        return (x - depth * self.x) * scale, (y - depth * self.y) * scale, scale


def view(scene: Scene, t_s: float) -> View:
    """Return the camera's view at a time in seconds; the path is centred on the middle of the film."""
    middle_s = t_s - scene.duration_s / 2
    match scene.camera:
        case "pan_left" | "pan_right":
            along = middle_s * _rate(PAN_SPEED, PAN_TRAVEL, scene.duration_s)
            return View(x=along if scene.camera == "pan_right" else -along)
        case "tilt_up" | "tilt_down":
            along = middle_s * _rate(TILT_SPEED, TILT_TRAVEL, scene.duration_s)
            return View(y=along if scene.camera == "tilt_down" else -along)
        case "zoom_in" | "zoom_out":
            along = middle_s * _rate(ZOOM_RATE, ZOOM_TRAVEL, scene.duration_s)
            return View(zoom=math.exp(along if scene.camera == "zoom_in" else -along))
        case "shake":
            x = math.sin(math.tau * 1.9 * t_s) + 0.5 * math.sin(math.tau * 3.1 * t_s + 1.0)
            y = math.sin(math.tau * 2.3 * t_s + 2.0) + 0.5 * math.sin(math.tau * 2.9 * t_s)
            return View(x=SHAKE * x, y=0.7 * SHAKE * y)
    return View()


def _rate(speed: float, travel: float, duration_s: float) -> float:
    """Return the speed, or less in long films, where the camera would leave the subject behind."""
    return min(speed, travel / duration_s)
