"""Tests the plots: numbers become places, ticks are round and few, words are escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from rushes.cluster import charts

LABELS = ("accelerators & more", "days")


@pytest.mark.parametrize("is_log", [True, False])
def test_a_curve_is_a_picture_with_its_mark_on_the_line(is_log: bool) -> None:
    points = [(10.0, 400.0), (100.0, 40.0), (1000.0, 4.0)]
    svg = ElementTree.fromstring(charts.curve(points, marked=points[1], labels=LABELS, is_log=(is_log, is_log)))
    line, mark = svg.find("polyline"), svg.find("circle")
    assert line is not None and mark is not None
    assert line.attrib["points"].split()[1] == f"{mark.attrib['cx']},{mark.attrib['cy']}"
    assert svg.attrib["aria-label"] == "days over accelerators & more"


@pytest.mark.parametrize(("low", "high"), [(1, 1e6), (3, 9), (0.02, 0.5), (11.5, 18.8), (7, 7)])
@pytest.mark.parametrize("is_log", [True, False])
def test_ticks_are_few_and_inside(low: float, high: float, is_log: bool) -> None:
    axis = charts.ends([low, high], is_log=is_log)
    found = charts.ticks(axis)
    assert 2 <= len(found) <= 7 or low == high
    assert all(axis.low <= value <= axis.high for value in found)


def test_shares_fill_the_bar_and_are_read_out() -> None:
    text = charts.shares([("a<b", 3.0), ("nothing", 0.0), ("rest", 1.0)])
    svg = ElementTree.fromstring(text)
    assert [float(bar.attrib["width"]) for bar in svg.findall("rect")] == [75, 25]
    assert svg.attrib["aria-label"] == "a<b 75 %, rest 25 %"


def test_points_lie_on_the_diagonal_where_they_are_right() -> None:
    svg = charts.scatter([(100.0, 100.0), (1000.0, 1000.0)], [True, False], labels=LABELS, band=0.2)
    x1, y1, x2, y2 = (
        float(value) for value in re.findall(r'rule" x1="(.+?)" y1="(.+?)" x2="(.+?)" y2="(.+?)"', svg)[0]
    )
    for x, y in re.findall(r'cx="(.+?)" cy="(.+?)"', svg):
        assert (float(x) - x1) / (x2 - x1) == pytest.approx((float(y) - y1) / (y2 - y1), abs=0.01)


@pytest.mark.parametrize(
    ("value", "said"), [(4096, "4,096"), (12_345, "12.3k"), (4.9e6, "4.9 M"), (1.41e10, "14.1 bn")]
)
def test_numbers_are_short(value: float, said: str) -> None:
    assert charts.short(value) == said
