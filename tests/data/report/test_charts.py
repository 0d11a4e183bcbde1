"""Tests of charts: bars count every value once, cuts lie inside, axes fit what they show."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from rushes.data.report.charts import BASE, TOP, WIDTH, axis, histogram, number

NAN = float("nan")


def bars(svg: str, kind: str) -> list[float]:
    return [float(height) for height in re.findall(rf'class="{kind}"[^>]*height="([\d.]+)"', svg)]


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        ([1.0, 2.0, 3.0], [2.5]),
        ([1.0, 2.0, NAN], [100.0]),
        ([5.0, 5.0], []),
        ([0.0], [0.0]),
        ([], [1.0]),
        ([], []),
        ([NAN, NAN], []),
        ([1e-6, 1.0, 1e6], [0.5]),
        ([-3.0, 1e9], [7.0]),
        ([0.0, 1e-5, 1e-1, 1.0], [1e-7]),
        ([1e300, -1e300], []),
    ],
)
def test_a_chart_is_whole_and_inside_its_frame(values: list[float], bounds: list[float]) -> None:
    array = np.array(values)
    svg = histogram(array, np.ones(len(array), bool), bounds=bounds, label='a "<score>"')
    root = ElementTree.fromstring(str(svg))
    for element in root.iter():
        for name in ("x", "x1", "x2"):
            assert 0 <= float(element.get(name, 0)) <= WIDTH
        assert 0 <= float(element.get("y", 0)) <= BASE + 20
    assert len(re.findall(r'<line class="cut"', svg)) == len(bounds)
    assert root.get("aria-label") == 'a "<score>"'


def test_bars_are_as_high_as_their_counts() -> None:
    values = np.array([0.0] * 4 + [1.0] * 2)
    svg = histogram(values, np.array([True, True, True, False, False, False]))
    full = BASE - TOP
    assert bars(svg, "good") == pytest.approx([0.75 * full], abs=0.06)
    assert bars(svg, "bad") == pytest.approx([0.25 * full, 0.5 * full], abs=0.06)


def test_values_of_many_magnitudes_get_a_logarithmic_axis_that_shows_the_cut() -> None:
    across = axis(np.geomspace(1e-4, 1.0, 200), [1e-5])
    assert across.is_log
    assert across.low < 1e-5
    assert not axis(np.linspace(0.5, 1.0, 50), [0.7]).is_log


def test_an_outlier_does_not_squeeze_the_rest() -> None:
    across = axis(np.concatenate((np.linspace(0, 1, 1000), [1e6])))
    assert across.high < 2
    svg = histogram(np.concatenate((np.linspace(0, 1, 1000), [1e6])), np.ones(1001, bool))
    assert "≥ " in svg
    assert "≤ " not in svg


def test_places_and_values_are_inverse() -> None:
    for across in (axis(np.geomspace(1e-4, 1.0, 200)), axis(np.linspace(-3, 5, 9))):
        places = np.linspace(0, 1, 7)
        np.testing.assert_allclose(across.place(np.array([across.at(p) for p in places])), places, atol=1e-9)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (256.0, "256"),
        (0.25, "0.25"),
        (1234.0, "1,234"),
        (1e-5, "1e-05"),
        (100.0, "100"),
        (3e7, "30 million"),
        (1e15, "1e+15"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text
