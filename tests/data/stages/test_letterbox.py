"""Bars come back in the source's pixels, whatever the scene does."""

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("rows", "columns"), [((22, 22), (0, 0)), ((0, 0), (40, 40)), ((12, 30), (6, 0)), ((0, 0), (0, 0))]
)
def test_bars_are_found(measure, moving, rows, columns):
    pictures = [picture.copy() for picture in moving(24, x=1.0)]
    for picture in pictures:
        picture[: rows[0]] = picture[180 - rows[1] :] = 0
        picture[:, : columns[0]] = picture[:, 320 - columns[1] :] = 0
    row = measure("letterbox", pictures)
    found = [row[side] for side in ("top", "bottom", "left", "right")]
    assert np.abs(np.array(found) - [*rows, *columns]).max() <= 1
    left = (180 - sum(rows)) * (320 - sum(columns)) / (180 * 320)
    assert row["remaining"] == pytest.approx(left, abs=0.02)


def test_a_dark_beginning_is_no_bar(measure, moving):
    pictures = moving(48, x=1.0)
    dark = [picture // 20 for picture in pictures[:30]]
    row = measure("letterbox", dark + pictures[30:])
    assert row["top"] == row["left"] == 0 and row["remaining"] == 1


def test_black_alone_has_no_bars(measure):
    assert "black" in measure("letterbox", [np.zeros((90, 160, 3), np.uint8)] * 6)["failed"]
