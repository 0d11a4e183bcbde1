"""Light: five skies, paper that takes on the hour, water that mirrors it, and lamps that burn after dark."""

import pytest

from rushes.errors import InputError
from rushes.world.light import TIMES, WEATHERS, colour, grey, light, mix


def test_mixing_colours() -> None:
    assert mix((0.0, 100.0, 200.0), (100.0, 100.0, 0.0), 0.25) == (25.0, 100.0, 150.0)
    assert grey((80.0, 80.0, 80.0), 1.0) == pytest.approx((80.0, 80.0, 80.0))
    assert colour((300.0, -4.0, 16.4), 0.5) == 0x80FF0010


@pytest.mark.parametrize("time", TIMES)
def test_distance_fades_into_haze(time: str) -> None:
    lit = light(time, "clear")
    near, far = lit.tint((40.0, 120.0, 60.0), 1.0), lit.tint((40.0, 120.0, 60.0), 0.2)

    def gap(rgb: tuple[float, float, float]) -> float:
        return sum(abs(a - b) for a, b in zip(rgb, lit.haze, strict=True))

    assert gap(far) < 0.6 * gap(near)


def test_weather_takes_colour_out_of_every_sky() -> None:
    for time in TIMES:
        clear = light(time, "clear")
        for weather in WEATHERS[1:]:
            dull = light(time, weather)
            assert max(dull.sky[0]) - min(dull.sky[0]) < max(clear.sky[0]) - min(clear.sky[0])
            assert dull.num_stars == 0
            assert dull.orb.opacity < 1.0


def test_subjects_stay_readable_at_every_hour() -> None:
    for time in TIMES:
        for weather in WEATHERS:
            subject = light(time, weather).subject
            assert min(subject) > 0.6 and max(subject) / min(subject) < 1.4


def test_lamps_burn_after_dark() -> None:
    assert light("night", "clear").lamp((10.0, 10.0, 10.0)) == colour((255.0, 214.0, 112.0))
    assert light("day", "clear").lamp((10.0, 10.0, 10.0)) == colour((10.0, 10.0, 10.0))


def test_unknown_hours_are_named() -> None:
    with pytest.raises(InputError, match=r"no time 'dask'; known: dusk, "):
        light("dask", "clear")
    with pytest.raises(InputError, match=r"no weather 'snowy'; known: snow, "):
        light("day", "snowy")
