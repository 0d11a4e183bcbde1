"""Looks at a subject as numbers: draws it on clear paper and measures what was drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import skia

from rushes.world.subjects.tone import Artist, Tone, tone

SIDE = 160  # pixels of a unit box
CANVAS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a drawing shows: uint8 `rgba` [h w 4], and its measures in box units."""

    rgba: np.ndarray

    @property
    def box(self) -> tuple[float, float, float, float]:
        rows, columns = np.nonzero(self.rgba[..., 3] > 128)
        left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return tuple(float(edge - CANVAS / 2) / SIDE for edge in (left, top, right, bottom))  # type: ignore[return-value]

    def share(self, paper: Tone, fields: str) -> float:
        """Return the share of the area nearest to one of the named fields among all fields of the tone."""
        names = [name for name in paper.__slots__ if name != "mark"]
        sheets = np.array([[getattr(paper, name) >> shift & 255 for shift in (16, 8, 0)] for name in names], float)
        pixels = self.rgba[self.rgba[..., 3] > 250][:, :3].astype(float)
        nearest = ((pixels[:, None] - sheets[None]) ** 2).sum(-1).argmin(1)
        return float(np.isin(nearest, [names.index(field) for field in fields.split()]).mean())


@pytest.fixture
def look() -> Callable[[Artist, str, float], Look]:
    def draw(artist: Artist, colour: str = "blue", phase_s: float = 0.3) -> Look:
        surface = skia.Surface(CANVAS, CANVAS)
        canvas = surface.getCanvas()
        canvas.clear(0)
        canvas.translate(CANVAS / 2, CANVAS / 2)
        canvas.scale(SIDE, SIDE)
        artist(canvas, tone(colour), phase_s)
        return Look(rgba=surface.toarray(colorType=skia.kRGBA_8888_ColorType))

    return draw
