"""Layouts: where a film's subjects are and how its camera moves, four times a second, as plain numbers. No torch.

n rows (one per quarter of a second), 17 columns

A row is the camera's speed (x, y, log2 of the zoom, per second), then for each of two subjects in the order in which
the prompt names them: x, y of its middle, log2 of its side, sine and cosine of its turn, the way it faces (-1 left,
1 right), how much it is there (0..1). Places and sides are in units: the frame's height at 16:9, and the same area
per unit at any other aspect, from the frame's centre, y down. A dynamic scene layout, as LVD has it (arXiv 2309.17444).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PER_SECOND = 4
NUM_SUBJECTS = 2
CAMERA, SUBJECT = 3, 7
COLUMNS = CAMERA + NUM_SUBJECTS * SUBJECT
X, Y, SIDE, SINE, COSINE, FACING, PRESENT = range(SUBJECT)
ASPECT = 16 / 9
USUAL_SIDE = 0.34
CUTOUT_PX, CUTOUT_REACH = 48, 0.6  # a subject's cut-out: its pixels a side, and how far from its middle, in its sides
BACKDROP_REACH = (1.35, 1.2)  # how far the widest backdrop reaches from its middle, across and down, in units
BACKDROP_UNIT_PX = 320 / 3
DEEPEST = 1.5  # of a backdrop's depths: 0 is infinitely far, 1 the plane of the subjects, beyond it the foreground
RETURNS = 0.5  # of its range: what ends nearer to where it began comes back by itself
TRAVEL = (0.6, 0.3, 0.72)  # of a camera at most, in a film: across, down, log2 of the zoom

Point = tuple[float, float]


def columns(subject: int) -> slice:
    """Return the columns of a subject, 0 or 1."""
    start = CAMERA + subject * SUBJECT
    return slice(start, start + SUBJECT)


def times(seconds: float, start_s: float = 0.0) -> np.ndarray:
    """Return the middles of a stretch's quarter seconds, float64 `[n]`."""
    num = round(seconds * PER_SECOND)
    return start_s + (np.arange(num) + 0.5) / PER_SECOND


def reach(rows: int, columns: int) -> tuple[float, float]:
    """Return how far a frame of `rows` x `columns` cells reaches from its centre, across and down, in units."""
    unit = (rows * columns / ASPECT) ** 0.5
    return columns / unit / 2, rows / unit / 2


def along(points: Sequence[Point], num: int, reach: tuple[float, float]) -> np.ndarray:
    """Return the x and y, float32 `[num 2]` in units, of a subject that takes the points in even time.

    `points` are shares of the frame's width and height, from its upper left corner; they may lie a little outside.
    """
    at = np.linspace(0, len(points) - 1, 2 * num + 1)[1::2]  # the middles of `num` equal parts
    shares = np.array([np.interp(at, np.arange(len(points)), [p[axis] for p in points]) for axis in (0, 1)])
    return ((2 * shares.T - 1) * reach).astype(np.float32)


def steady(layout: np.ndarray, seconds: float, travel: tuple[float, float, float] = TRAVEL) -> np.ndarray:
    """Return the speed, float32 `[3]`, of a camera that moves evenly through a film and goes no farther than `travel`.

    A camera that shakes stays where it is.
    """
    most = np.array(travel, np.float32) / max(seconds, 1e-6)
    return np.clip(layout[:, :CAMERA].mean(0), -most, most)


def looped(layout: np.ndarray) -> np.ndarray:
    """Return the layout `[n 17]` so changed that its end runs into its beginning, at about the same pace.

    What comes back by itself, or nearly, is led back the rest of the way; what goes somewhere goes and comes back; what
    turns over does so in whole turns. The camera stands still.
    """
    changed = layout.copy()
    changed[:, :CAMERA] = 0.0
    for index in range(NUM_SUBJECTS):
        subject = changed[:, columns(index)]
        for column in (X, Y, SIDE, PRESENT):
            subject[:, column] = _closed(subject[:, column])
        turn = np.unwrap(np.arctan2(subject[:, SINE], subject[:, COSINE]))
        net = _net(turn)
        whole = 2 * np.pi * np.round(net / (2 * np.pi))
        turn = turn + _even(len(turn)) * (whole - net) if whole else _closed(turn)
        subject[:, SINE], subject[:, COSINE] = np.sin(turn), np.cos(turn)
    return changed


def _closed(values: np.ndarray) -> np.ndarray:
    """Return values `[n]` whose last runs into their first."""
    net = _net(values)
    if abs(net) <= RETURNS * np.ptp(values):
        return (values - _even(len(values)) * net).astype(np.float32)
    middle, num = (len(values) - 1) / 2, len(values)
    there = middle - num / 4 * np.cos(2 * np.pi * (np.arange(num) + 0.5) / num)  # half the way, there and back
    return np.interp(there, np.arange(num), values).astype(np.float32)


def _net(values: np.ndarray) -> float:
    """Return how far values `[n]` will have gone one step after the last, which is as the one before it was."""
    return float(2 * values[-1] - values[-2] - values[0]) if len(values) > 1 else 0.0


def _even(num: int) -> np.ndarray:
    """Return `num` even steps from below 0 to above 0, so that a film's middle stays where it is."""
    return (np.arange(num) + 0.5) / num - 0.5


def led(layout: np.ndarray, points: Sequence[Point], reach: tuple[float, float]) -> np.ndarray:
    """Return the layout with its first subject led along the points, there all the time, facing where it goes."""
    changed = layout.copy()
    subject = changed[:, columns(0)]
    subject[:, (X, Y)] = along(points, len(layout), reach)
    subject[:, PRESENT] = 1.0
    if (across := subject[-1, X] - subject[0, X]) and abs(across) > 0.1:
        subject[:, FACING] = np.sign(across)
    return changed
