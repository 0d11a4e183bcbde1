"""Tests of places with nobody in them."""

import numpy as np
import pytest

from rushes import layouts
from rushes.errors import InputError
from rushes.world.backdrop import backdrop
from rushes.world.render import render
from rushes.world.scene import Scene, Subject
from rushes.world.vocabulary import PLACES


@pytest.mark.parametrize("place", PLACES)
def test_every_place_has_something_far_and_something_near(place: str) -> None:
    drawn = backdrop(place, 3, "night", "clear")
    across, down = (round(2 * reach * layouts.BACKDROP_UNIT_PX) for reach in layouts.BACKDROP_REACH)
    assert drawn.shape == (down, across, 4) and drawn.dtype == np.uint8
    depth = drawn[..., 3] * (layouts.DEEPEST / 255)
    assert depth[-8:].mean() > depth[:8].mean() + 0.05 and depth.max() <= layouts.DEEPEST
    assert drawn[..., :3].std() > 8


def test_it_is_the_place_that_films_show() -> None:
    subject = Subject(kind="ball", colour="red", size="small", motion="enter", direction="left")
    scene = Scene(place="city", time="sunset", weather="cloudy", variant=5, style="flat", subjects=(subject,))
    unit = 320  # three times the backdrop's
    film = render(scene, height=unit, width=round(unit * 16 / 9), times_s=[0.0])[0].astype(float)
    drawn = backdrop("city", 5, "sunset", "cloudy")[..., :3].astype(float)
    small = film[: unit // 3 * 3, : film.shape[1] // 3 * 3].reshape(unit // 3, 3, -1, 3, 3).mean((1, 3))
    top, left = (drawn.shape[0] - small.shape[0]) // 2, (drawn.shape[1] - small.shape[1]) // 2
    part = drawn[top : top + small.shape[0], left : left + small.shape[1]]
    assert np.abs(part - small).mean() < 12


def test_what_is_unknown_is_named() -> None:
    with pytest.raises(InputError, match="'sae'"):
        backdrop("sae", 0, "day", "clear")
