"""Grain is faint and fixed; each style changes a film as its name says."""

import numpy as np
import pytest

from rushes.world import styles


def picture(height=90, width=160):
    """A red disc on a blue ground."""
    rows, cols = np.mgrid[0:height, 0:width]
    disc = np.hypot(rows - height / 2, cols - width / 2) < height / 4
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = (60, 90, 200)
    frame[disc] = (220, 60, 50)
    return frame, disc


def test_grain_is_faint_fixed_and_never_wraps():
    frame = np.full((90, 160, 3), 200, np.uint8)
    styles.add_grain(frame)
    assert 0 < 200 - frame.astype(int).min() <= 0.012 * 255
    assert frame.std() > 0.2
    again = np.full((90, 160, 3), 200, np.uint8)
    styles.add_grain(again)
    assert np.array_equal(frame, again)
    black = np.zeros((90, 160, 3), np.uint8)
    styles.add_grain(black)
    assert black.max() == 0


def test_pixel_grid_is_a_sixth_of_720_rows():
    assert styles.pixel_grid(720, 1280, 720.0) == (120, 214)
    big = styles.enlarge(picture()[0][None], 360, 640)
    assert big.shape == (1, 360, 640, 3)
    assert (big[:, ::4, ::4] == picture()[0]).all()
    assert (big[:, 1::4] == big[:, ::4]).all()


def test_ink_is_grey_with_dark_outlines():
    frame, disc = picture()
    inked = styles.restyle("ink", frame[None], 90.0)[0].astype(int)
    assert np.abs(inked[..., 0] - inked[..., 2]).max() < 16
    border = disc[:, 1:] != disc[:, :-1]
    assert inked[:, 1:, 0][border].mean() < 0.6 * inked[..., 0].mean()


def test_neon_is_dark_with_bright_edges():
    frame, disc = picture()
    glowing = styles.restyle("neon", frame[None], 90.0)[0].astype(int)
    border = disc[:, 1:] != disc[:, :-1]
    assert glowing[:8, :8].mean() < 50
    assert glowing[:, 1:].max(axis=2)[border].mean() > 180


def test_watercolour_is_soft_and_blotchy_but_keeps_its_colours():
    frame, disc = picture()
    washed = styles.restyle("watercolour", frame[None], 90.0)[0].astype(int)
    assert washed[~disc][:, 2].std() > 3
    assert washed[45, 80, 0] > washed[45, 80, 2]
    assert washed[5, 5, 2] > washed[5, 5, 0]


@pytest.mark.parametrize("style", ["ink", "neon", "watercolour"])
def test_styles_keep_shape_and_type(style):
    frames = np.stack([picture(64, 48)[0]] * 2)
    styled = styles.restyle(style, frames, 40.0)
    assert styled.shape == frames.shape and styled.dtype == np.uint8
    assert np.array_equal(styled[0], styled[1])
