"""A place alone, as wide as any camera sees it: the colours of its paper in its light, and how far away each is."""

from __future__ import annotations

import numpy as np
import skia

from rushes import layouts
from rushes.world import sheets
from rushes.world.light import light
from rushes.world.places import layers

OPAQUE = 128  # of 255: what covers less does not say how far away a pixel is


def backdrop(place: str, variant: int, time: str, weather: str) -> np.ndarray:
    """Return a place with nobody in it, uint8 `[256 288 4]`: RGB, and depth as a share of the deepest, 255.

    Nothing falls and no fog drifts in it; what moves by itself is where it is at 0 s.

    Raises:
        InputError: no such place, variant, time or weather.
    """
    across, down = layouts.BACKDROP_REACH
    unit = layouts.BACKDROP_UNIT_PX
    shape = (round(2 * down * unit), round(2 * across * unit), 4)
    pixels, alone = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    depth = np.zeros(shape[:2], np.uint8)
    whole, single = (_canvas(each, unit, (across, down)) for each in (pixels, alone))
    for layer in layers(place, variant, light(time, weather)):
        moved = layer.offset(0.0)
        alone[:] = 0
        for canvas in (whole, single):
            canvas.save()
            canvas.translate(*moved)
        if layer.shadow:
            sheets.draw_shadow(whole, layer.draw, (-across, -down, across, down), unit, sheets.LAYER_SHADOW)
        for canvas in (whole, single):
            layer.draw(canvas)
            canvas.restore()
        depth[alone[..., 3] >= OPAQUE] = round(255 * layer.depth / layouts.DEEPEST)
    pixels[..., 3] = depth
    return pixels


def _canvas(pixels: np.ndarray, unit_px: float, reach: tuple[float, float]) -> skia.Canvas:
    """Return a canvas over `pixels` in units from the centre."""
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType).getCanvas()
    canvas.scale(unit_px, unit_px)
    canvas.translate(*reach)
    return canvas
