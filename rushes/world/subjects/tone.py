"""Tones: the handful of paper colours that one named colour gives a subject."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import skia

from rushes.errors import InputError
from rushes.world.vocabulary import COLOURS

RGB = tuple[int, int, int]

_WHITE: Final[RGB] = (255, 253, 248)
_SHADE: Final[RGB] = (34, 22, 52)
_EMBER: Final[RGB] = (110, 24, 20)  # warm colours darken towards it: yellow in shade is amber, not olive
_INK: Final[RGB] = (42, 38, 50)
_CREAM: Final[RGB] = (252, 244, 224)
_WARM_NAMES: Final = frozenset({"red", "orange", "yellow", "pink"})
# White has nowhere lighter to go and black nowhere darker: white shades to grey and its accents are pale blue; on
# black, ink is deeper still and marks are cream.
_EXCEPTIONS: Final[dict[str, dict[str, RGB]]] = {
    "white": {"light": _WHITE, "dark": (208, 208, 214), "shade": (182, 184, 196), "cream": (190, 204, 220)},
    "black": {
        "light": (89, 87, 93),
        "dark": (30, 29, 35),
        "shade": (20, 19, 24),
        "ink": (16, 15, 20),
        "mark": _CREAM,
    },
}
_HONEY: Final[RGB] = (246, 176, 58)
_CORAL: Final[RGB] = (226, 92, 62)
_BARK: Final[RGB] = (120, 82, 58)
_SPRUCE: Final[RGB] = (70, 46, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """The sheets of paper that a subject is cut from; every field is a skia colour (0xAARRGGBB).

    `base`, `light`, `dark` and `shade` (darkest) are of the named colour and cover most of a subject. `ink` (near
    black) and `cream` (off-white) are for eyes, wheels and windows; `warm` (honey, or coral where honey would vanish)
    for beaks and flames; `mark` (ink, or cream on black) for features laid straight on the base; `wood` for trunks,
    masts and baskets.
    """

    base: int
    light: int
    dark: int
    shade: int
    ink: int
    cream: int
    mark: int
    warm: int
    wood: int


def _mix(one: RGB, two: RGB, share: float) -> RGB:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, two, strict=True))
    return red, green, blue


Artist = Callable[[skia.Canvas, Tone, float], None]


@functools.cache
def tone(colour_name: str) -> Tone:
    """Return the tone of a named colour of `rushes.world.vocabulary.COLOURS`.

    Raises:
        InputError: no such colour; the nearest known name comes first.
    """
    if colour_name not in COLOURS:
        near = difflib.get_close_matches(colour_name, COLOURS, n=1, cutoff=0.0)
        order = near + [name for name in COLOURS if name not in near]
        raise InputError(f"there is no colour {colour_name!r}; known: {', '.join(order)}")
    base = COLOURS[colour_name]
    night = _EMBER if colour_name in _WARM_NAMES else _SHADE
    sheets: dict[str, RGB] = {
        "base": base,
        "light": _mix(base, _WHITE, 0.36),
        "dark": _mix(base, night, 0.3),
        "shade": _mix(base, night, 0.5),
        "ink": _INK,
        "cream": _CREAM,
        "mark": _INK,
        "warm": _CORAL if colour_name in {"orange", "yellow", "brown"} else _HONEY,
        "wood": _SPRUCE if colour_name == "brown" else _BARK,
    } | _EXCEPTIONS.get(colour_name, {})
    return Tone(**{name: skia.Color(*rgb) for name, rgb in sheets.items()})
