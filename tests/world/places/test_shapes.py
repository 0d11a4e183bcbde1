"""Paper shapes reach where they must: past the frame on both sides, and through the points they are given."""

import pytest

from rushes.world.places import shapes


def test_layouts_repeat_and_differ() -> None:
    assert shapes.layout("sea", 3).random() == shapes.layout("sea", 3).random()
    assert shapes.layout("sea", 3).random() != shapes.layout("sea", 4).random()


@pytest.mark.parametrize(
    "path",
    [
        shapes.rolling(0.1, 0.2, 1.3, 0.4),
        shapes.waves(0.1, 0.03, 0.2, 0.7),
        shapes.bank(-0.2, 0.1, 0.3, 0.5),
    ],
)
def test_land_water_and_cloud_banks_cross_the_whole_overscan(path: shapes.skia.Path) -> None:
    box = path.computeTightBounds()
    assert box.left() <= -2.4 and box.right() >= 2.4
    assert box.bottom() >= 1.3 or box.top() <= -1.3


def test_rolling_land_has_its_crest_where_it_is_asked() -> None:
    land = shapes.rolling(0.1, 0.2, 1.6, 0.3)
    assert land.contains(0.3, 0.02) and not land.contains(0.3, -0.02)
    assert land.contains(-0.5, 0.22) and not land.contains(-0.5, 0.18)


def test_fir_stands_on_its_foot() -> None:
    box = shapes.fir(0.2, 0.3, 0.5).computeTightBounds()
    assert (box.top(), box.bottom()) == pytest.approx((-0.2, 0.3))
