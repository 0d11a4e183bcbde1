"""The places of the paper world by name: their layers in a given light, and where subjects stand, float and fly."""

from __future__ import annotations

import difflib
from types import ModuleType

from rushes.errors import InputError
from rushes.world.light import Light
from rushes.world.places import (
    beach,
    city,
    desert,
    farm,
    forest,
    hills,
    mountains,
    room,
    sea,
    snowfield,
    space,
    underwater,
)
from rushes.world.places.layer import Layer

NUM_VARIANTS = 8
# Below this the middle would be no longer calm.
MIN_SPREAD = 0.56
_PLACES: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module
    for module in (sea, beach, hills, mountains, desert, city, underwater, space, forest, snowfield, room, farm)
}
NAMES = tuple(_PLACES)


def _place(name: str) -> ModuleType:
    if name not in _PLACES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        order = near + [other for other in NAMES if other not in near]
        raise InputError(f"there is no place {name!r}; known: {', '.join(order)}")
    return _PLACES[name]


def layers(place: str, variant: int, light: Light, half_width: float = 0.889) -> list[Layer]:
    """Return the sheets of a place, farthest first; `variant` in 0..7 picks one of its layouts.

    Every sheet fills |x| <= 2.4 and |y| <= 1.3 units as far as the place reaches. The result is deterministic.
    `half_width` is half the width of the frame in units: in narrow frames what stands at the sides moves inwards.

    Raises:
        InputError: an unknown place, or a variant outside 0..7.
    """
    module = _place(place)
    if not 0 <= variant < NUM_VARIANTS:
        nearest = 0 if variant < 0 else NUM_VARIANTS - 1
        raise InputError(f"variant {variant} is illegal; the nearest legal value is {nearest}")
    return module.layers(variant, light, min(1.0, max(MIN_SPREAD, half_width / 0.889)))


def baseline(place: str) -> dict[str, float | tuple[float, float]]:
    """Return, per realm that fits the place, where its subjects are, in units, y down.

    `land` and `water`: the y of the bottom of a subject's box; `air` and `deep`: the (top, bottom) range of its centre.
    The same for all variants.

    Raises:
        InputError: an unknown place.
    """
    return dict(_place(place).BASELINE)
