"""Weather falls: it is deterministic, periodic, everywhere in the frame, and leaves the picture readable."""

import numpy as np
import pytest
import skia

from rushes.errors import InputError
from rushes.world.weather import PERIOD_S, draw_weather


def _paint(weather: str, t_s: float, width: int = 256, height: int = 144) -> np.ndarray:
    surface = skia.Surface.MakeRasterN32Premul(width, height)
    canvas = surface.getCanvas()
    canvas.clear(0xFFB04030)
    canvas.translate(width / 2, height / 2)
    canvas.scale(144, 144)
    draw_weather(canvas, weather, t_s, (width / 288, height / 288))
    return surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3].astype(int)


@pytest.mark.parametrize("weather", ["clear", "cloudy"])
def test_nothing_falls_in_dry_weather(weather: str) -> None:
    assert np.ptp(_paint(weather, 0.7), axis=(0, 1)).max() == 0


@pytest.mark.parametrize(("weather", "periods"), [("rain", 0.5), ("fog", 2), ("snow", 4)])
def test_weather_moves_and_comes_round(weather: str, periods: float) -> None:
    start = _paint(weather, 0.3)
    assert np.array_equal(start, _paint(weather, 0.3))
    assert np.abs(start - _paint(weather, 0.3 + periods * PERIOD_S / 3)).max() > 8
    assert np.abs(start - _paint(weather, 0.3 + periods * PERIOD_S)).mean() < 0.2


@pytest.mark.parametrize("weather", ["rain", "snow"])
def test_pieces_fall_everywhere_but_cover_little(weather: str) -> None:
    for width, height in ((256, 144), (96, 240)):
        is_touched = np.abs(_paint(weather, 1.1, width, height) - (0xB0, 0x40, 0x30)).max(-1) > 60
        assert 0.005 < is_touched.mean() < 0.12
        quarters = is_touched[: height // 4 * 4].reshape(4, -1).mean(1)
        assert quarters.min() > 0.002


def test_fog_lies_low_and_keeps_a_red_subject_red() -> None:
    foggy = _paint("fog", 0.0)
    assert np.array_equal(foggy[2, 128], (0xB0, 0x40, 0x30))
    red, green, blue = foggy[120, 128]
    assert green - 0x40 > 20 and red > green + 20 and red > blue + 20


def test_snow_falls_downwards() -> None:
    before, after = _paint("snow", 0.0), _paint("snow", 0.1)
    shift = round(0.1 * 1.2 / 8 * 144)
    down = np.abs(before[: -shift or None] - after[shift:]).mean()
    assert down < np.abs(before[shift:] - after[: -shift or None]).mean()


def test_unknown_weather_is_named() -> None:
    with pytest.raises(InputError, match=r"no weather 'hail'; known: "):
        _paint("hail", 0.0)
