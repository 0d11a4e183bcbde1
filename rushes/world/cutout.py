"""A subject alone on nothing: what the paper world lays on its sheets, in plain light."""

from __future__ import annotations

from functools import cache

import numpy as np
import skia

from rushes.layouts import CUTOUT_PX, CUTOUT_REACH
from rushes.world import subjects


@cache
def cutout(kind: str, colour: str, phase_s: float = 0.0) -> np.ndarray:
    """Return a subject that faces right, uint8 RGBA `[48 48 4]`, colours times alpha; its box is 40 pixels a side.

    Raises:
        InputError: no such kind.
    """
    pixels = np.zeros((CUTOUT_PX, CUTOUT_PX, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType).getCanvas()
    canvas.translate(CUTOUT_PX / 2, CUTOUT_PX / 2)
    canvas.scale(CUTOUT_PX / 2 / CUTOUT_REACH, CUTOUT_PX / 2 / CUTOUT_REACH)
    subjects.draw(canvas, kind, subjects.tone(colour), phase_s)
    return pixels
