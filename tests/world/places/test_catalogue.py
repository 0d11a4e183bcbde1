"""Twelve places: each covers the frame, repeats exactly, differs by variant and hour, and stays calm in the middle."""

import numpy as np
import pytest
import skia

from rushes.errors import InputError
from rushes.world.light import TIMES, light
from rushes.world.places import baseline, layers
from rushes.world.places.catalogue import NAMES, NUM_VARIANTS


def _paint(place: str, variant: int, time: str, weather: str = "clear") -> np.ndarray:
    surface = skia.Surface.MakeRasterN32Premul(128, 72)
    canvas = surface.getCanvas()
    canvas.clear(0xFFFF00FF)
    canvas.translate(64, 36)
    canvas.scale(72, 72)
    for layer in layers(place, variant, light(time, weather)):
        layer.draw(canvas)
    return surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3].astype(np.float32)


def test_the_places_are_the_twelve() -> None:
    twelve = "sea beach hills mountains desert city underwater space forest snowfield room farm"
    assert tuple(twelve.split()) == NAMES


@pytest.mark.parametrize("place", NAMES)
def test_variants_repeat_and_differ(place: str) -> None:
    frames = [_paint(place, variant, "day") for variant in range(NUM_VARIANTS)]
    assert np.array_equal(frames[3], _paint(place, 3, "day"))
    for a in range(NUM_VARIANTS):
        for b in range(a):
            assert np.abs(frames[a] - frames[b]).mean() > 1.0, (a, b)


@pytest.mark.parametrize("place", [name for name in NAMES if name != "space"])
def test_the_five_times_look_unlike(place: str) -> None:
    frames = [_paint(place, 2, time) for time in TIMES]
    for a in range(len(TIMES)):
        for b in range(a):
            assert np.abs(frames[a] - frames[b]).mean() > 15.0, (TIMES[a], TIMES[b])


def test_the_places_look_unlike_at_the_same_hour() -> None:
    frames = {place: np.mean([_paint(place, v, "day") for v in (0, 1)], axis=0) for place in NAMES}
    for a in NAMES:
        for b in NAMES:
            assert a == b or np.abs(frames[a] - frames[b]).mean() > 8.0, (a, b)


@pytest.mark.parametrize("place", NAMES)
def test_backdrops_fill_the_overscan(place: str) -> None:
    surface = skia.Surface.MakeRasterN32Premul(96, 52)
    canvas = surface.getCanvas()
    canvas.translate(48, 26)
    canvas.scale(20, 20)
    for layer in layers(place, 5, light("day", "clear")):
        layer.draw(canvas)
    assert surface.toarray()[..., 3].min() == 255


@pytest.mark.parametrize("place", NAMES)
def test_layers_come_in_order_and_their_front_comes_last(place: str) -> None:
    sheets = layers(place, 1, light("dusk", "rain"))
    depths = [sheet.depth for sheet in sheets if sheet.depth >= 0.2]
    assert depths == sorted(depths)
    fronts = [sheet.in_front for sheet in sheets]
    assert fronts == sorted(fronts)


@pytest.mark.parametrize("place", NAMES)
def test_subjects_have_a_place_inside_every_frame(place: str) -> None:
    where = baseline(place)
    assert where and set(where) <= {"land", "water", "air", "deep"}
    for value in where.values():
        low, high = value if isinstance(value, tuple) else (value - 0.46, value)
        assert -0.43 < low < high < 0.43


def test_narrow_frames_bring_the_sides_in() -> None:
    def barn_left(half_width: float) -> float:
        surface = skia.Surface.MakeRasterN32Premul(128, 72)
        canvas = surface.getCanvas()
        canvas.translate(64, 36)
        canvas.scale(72, 72)
        layers("farm", 1, light("day", "clear"), half_width)[-3].draw(canvas)
        red = surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3].astype(int)
        is_red = (red[..., 0] > 150) & (red[..., 1] < 110)
        return float(np.nonzero(is_red.any(0))[0].mean())

    assert barn_left(0.43) < barn_left(0.889) - 8


def test_unknown_places_and_variants_are_named() -> None:
    with pytest.raises(InputError, match=r"'forrest'; known: forest, "):
        baseline("forrest")
    with pytest.raises(InputError, match=r"variant 9 is illegal; the nearest legal value is 7"):
        layers("sea", 9, light("day", "clear"))
