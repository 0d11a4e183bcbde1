"""Tests of layouts as plain numbers: paths, times and how far a frame reaches."""

import numpy as np
import pytest

from rushes import layouts


def test_a_path_is_taken_in_even_time_from_corner_to_corner() -> None:
    reach = layouts.reach(9, 16)
    assert reach == pytest.approx((8 / 9, 0.5))
    taken = layouts.along(((0.0, 0.0), (1.0, 1.0)), 4, reach)
    shares = np.array([1, 3, 5, 7]) / 8  # the middles of the four quarters
    assert taken == pytest.approx((2 * shares[:, None] - 1) * reach)


def test_a_bent_path_passes_its_points() -> None:
    taken = layouts.along(((0.0, 0.5), (0.5, 0.1), (1.0, 0.5)), 101, (1.0, 1.0))
    assert taken[50] == pytest.approx((0.0, -0.8))


@pytest.mark.parametrize(("rows", "columns"), [(9, 16), (16, 9), (12, 12), (8, 19)])
def test_a_unit_covers_the_same_area_in_every_aspect(rows: int, columns: int) -> None:
    across, down = layouts.reach(rows, columns)
    assert 4 * across * down == pytest.approx(16 / 9)
    assert across / down == pytest.approx(columns / rows)


def test_a_led_subject_is_there_and_faces_where_it_goes() -> None:
    rows = np.zeros((8, layouts.COLUMNS), np.float32)
    rows[:, layouts.columns(0)] = (0.0, 0.0, 0.5, 0.1, 0.9, 1.0, 0.2)
    rows[:, layouts.columns(1)] = 7.0
    led = layouts.led(rows, ((0.9, 0.5), (0.1, 0.5)), (1.0, 0.5))
    subject = led[:, layouts.columns(0)]
    assert (subject[:, layouts.FACING] == -1).all() and (subject[:, layouts.PRESENT] == 1).all()
    assert subject[0, layouts.X] > 0.6 and subject[-1, layouts.X] < -0.6
    assert (subject[:, layouts.SIDE] == np.float32(0.5)).all()  # what a path does not say stays
    assert (led[:, layouts.columns(1)] == 7).all() and (rows[0, layouts.X + layouts.CAMERA] == 0)


def test_straight_up_it_faces_as_it_did() -> None:
    rows = np.full((4, layouts.COLUMNS), 1.0, np.float32)
    assert (layouts.led(rows, ((0.5, 0.9), (0.5, 0.1)), (1, 1))[:, layouts.columns(0)][:, layouts.FACING] == 1).all()


def test_times_are_the_middles_of_quarter_seconds() -> None:
    assert layouts.times(1.0, 2.0).tolist() == [2.125, 2.375, 2.625, 2.875]


def steps(values: np.ndarray) -> np.ndarray:
    """Return all steps of a loop, the last one from its end to its beginning."""
    return np.diff(np.append(values, values[:1]))


def test_what_goes_somewhere_comes_back_in_a_loop() -> None:
    rows = np.zeros((24, layouts.COLUMNS), np.float32)
    rows[:, : layouts.CAMERA] = 0.3
    subject = rows[:, layouts.columns(0)]
    subject[:, layouts.X], subject[:, layouts.COSINE] = np.linspace(-0.6, 0.6, 24), 1.0
    subject[:, layouts.Y] = 0.2 + 0.1 * np.sin(np.arange(24) / 24 * 6 * np.pi)
    rows[:, layouts.columns(1)] = subject
    looped = layouts.looped(rows)
    assert not looped[:, : layouts.CAMERA].any()
    for index in range(layouts.NUM_SUBJECTS):
        one = looped[:, layouts.columns(index)]
        assert np.abs(steps(one[:, layouts.X])).max() < 2 * 1.2 / 23
        assert np.ptp(one[:, layouts.X]) == pytest.approx(0.6, abs=0.03)  # half of the way, there and back
        assert one[:, layouts.Y] == pytest.approx(subject[:, layouts.Y], abs=0.02)  # it comes back by itself
        assert (one[:, layouts.COSINE] == 1).all()


@pytest.mark.parametrize(("turns", "kept"), [(1.1, 1), (-2.2, -2), (0.3, 0), (0.0, 0)])
def test_what_turns_over_turns_wholly_in_a_loop(turns: float, kept: int) -> None:
    rows = np.zeros((24, layouts.COLUMNS), np.float32)
    subject = rows[:, layouts.columns(0)]
    angle = np.linspace(0, 2 * np.pi * turns * 23 / 24, 24)
    subject[:, layouts.SINE], subject[:, layouts.COSINE] = np.sin(angle), np.cos(angle)
    looped = layouts.looped(rows)[:, layouts.columns(0)]
    angle = np.unwrap(np.arctan2(looped[:, layouts.SINE], looped[:, layouts.COSINE]))
    assert (angle[-1] - angle[0]) * 24 / 23 == pytest.approx(2 * np.pi * kept, abs=0.1)
    assert np.abs(np.angle(np.exp(1j * steps(angle)))).max() < 0.7
