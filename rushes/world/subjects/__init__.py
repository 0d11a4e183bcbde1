"""The 45 subjects of the paper world, each drawn in its own unit box."""

from __future__ import annotations

import difflib
from typing import Final

import skia

from rushes.errors import InputError
from rushes.world.subjects.air import AIR
from rushes.world.subjects.animals import ANIMALS
from rushes.world.subjects.deep import DEEP
from rushes.world.subjects.things import THINGS
from rushes.world.subjects.tone import Artist, Tone, tone
from rushes.world.subjects.vehicles import VEHICLES
from rushes.world.subjects.water import WATER
from rushes.world.vocabulary import KINDS as _NAMES

_DRAWN: Final[dict[str, Artist]] = VEHICLES | ANIMALS | THINGS | WATER | DEEP | AIR
KINDS: Final[dict[str, Artist]] = {name: _DRAWN[name] for name in _NAMES}


def draw(canvas: skia.Canvas, kind: str, tone: Tone, phase_s: float) -> None:
    """Draw a subject, facing right, in the box x, y in [-0.5, 0.5] (y down) of the canvas's own units.

    `phase_s` >= 0 in seconds moves its parts (wheels, wings, legs) with periods of 0.6 to 1.2 s.

    Raises:
        InputError: no such kind; the nearest known name comes first.
    """
    artist = KINDS.get(kind)
    if artist is None:
        near = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.0)
        order = near + [name for name in KINDS if name not in near]
        raise InputError(f"there is no subject {kind!r}; known: {', '.join(order)}")
    artist(canvas, tone, phase_s)


__all__ = ["KINDS", "Artist", "Tone", "draw", "tone"]
