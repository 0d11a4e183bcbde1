"""PSNR and edge-F1 on pictures whose scores are known."""

import numpy as np
import pytest

from rushes.errors import InputError
from rushes.evaluate.metrics.reconstruction import SPEC, edge_f1, edges, psnr_db
from rushes.types import Video


def square(top: int, left: int, level: int = 200) -> np.ndarray:
    frame = np.full((64, 96, 3), 100, np.uint8)
    frame[top : top + 24, left : left + 24] = level
    return frame


def test_psnr_of_a_known_difference():
    black = np.zeros((8, 8, 3), np.uint8)
    assert psnr_db(black + np.uint8(10), black) == pytest.approx(28.1308, abs=1e-4)  # 20 log10(255 / 10)
    assert psnr_db(black, black) == 100.0


def test_edges_lie_on_the_outline_alone():
    found = edges(square(20, 30))
    inside = np.zeros((64, 96), bool)
    inside[18:46, 28:56] = True
    inside[22:42, 32:52] = False
    assert not (found.numpy() & ~inside).any()
    assert 80 <= int(found.sum()) <= 4 * 24 * 2  # a step between two pixels may mark both


@pytest.mark.parametrize(("step", "is_edge"), [(19, False), (20, True), (-19, False), (-20, True)])
def test_the_faintest_edge(step: int, is_edge: bool):
    frame = np.full((32, 32, 3), 100, np.uint8)
    frame[:, 16:] = 100 + step
    assert bool(edges(frame).any()) == is_edge


@pytest.mark.parametrize("turn", [0, 1])
def test_a_pixel_of_slack_and_no_more(turn: int):
    frames = []
    for at in (40, 41, 45):
        frame = np.full((96, 96, 3), 60, np.uint8)
        frame[:, at:] = 180
        frames.append(np.rot90(frame, turn))
    assert edge_f1(frames[0], frames[0]) == 1.0
    assert edge_f1(frames[1], frames[0]) == 1.0
    assert edge_f1(frames[2], frames[0]) == 0.0


def test_f1_balances_missing_and_invented_edges():
    both, one = square(20, 10), square(20, 10)
    both[20:44, 60:84] = 200
    missing, invented = edge_f1(one, both), edge_f1(both, one)
    assert missing == pytest.approx(invented) == pytest.approx(2 / 3, abs=0.01)  # precision 1, recall 1/2
    empty = np.full((64, 96, 3), 100, np.uint8)
    assert edge_f1(empty, both) == edge_f1(both, empty) == 0.0
    assert edge_f1(empty, empty) == 1.0


def test_rows_are_means_over_frames():
    true = Video(frames=np.stack([square(20, 30)] * 2), fps=24)
    film = Video(frames=np.stack([square(20, 30), square(20, 50)]), fps=24)
    (row,) = SPEC.measure([film], [true])
    assert row["edge_f1"] == pytest.approx((1 + edge_f1(square(20, 50), square(20, 30))) / 2)
    assert row["psnr_db"] == pytest.approx((100 + psnr_db(square(20, 50), square(20, 30))) / 2)


def test_films_must_match():
    film = Video(frames=square(0, 0)[None], fps=24)
    with pytest.raises(InputError, match="1 films for 0"):
        SPEC.measure([film], [])
    with pytest.raises(InputError, match="2x64x96"):
        SPEC.measure([film], [Video(frames=np.stack([square(0, 0)] * 2), fps=24)])
