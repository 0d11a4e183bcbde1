"""Tests of what open-weight models learn from: a folder's stills and films, their words, and their windows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rushes.errors import InputError
from rushes.media.encode import encode
from rushes.train import exemplars
from rushes.types import VideoShape

CAPTIONER = Path(__file__).parents[2] / "weights" / "captioner"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(tmp_path / "still.png")
    (tmp_path / "still.txt").write_text("a  grey wall\n\nnothing else \n")
    shape = VideoShape(frames=20, height=32, width=32)
    encode(tmp_path / "film.mp4", [np.full((32, 32, 3), 9 * i, np.uint8) for i in range(20)], fps=10, shape=shape)
    (tmp_path / "notes.md").write_text("not to be learned")
    return tmp_path


def test_stills_and_films_have_their_words_beside_them(folder: Path) -> None:
    film, still = exemplars.of_folder(folder)
    assert (film.name, film.is_still, film.texts) == ("film.mp4", False, ())
    assert (still.name, still.is_still, still.texts) == ("still.png", True, ("a grey wall", "nothing else"))
    assert film.key != still.key and exemplars.is_folder(str(folder))


def test_windows_follow_one_another(folder: Path) -> None:
    film, still = exemplars.of_folder(folder)
    shape = VideoShape(frames=6, height=16, width=24)
    shown = list(film.windows(shape, 10))
    assert [each.shape for each in shown] == [(6, 16, 24, 3)] * 3 == [(6, 16, 24, 3)] * film.num_windows(6, 10)
    means = np.concatenate([each.mean((1, 2, 3)) for each in shown])
    assert np.all(np.diff(means) > 4)  # each frame is brighter than the one before, over the cuts as well
    assert [each.shape for each in still.windows(shape, 10)] == [(1, 16, 24, 3)]
    assert film.num_windows(30, 10) == 0


def test_what_has_no_words_is_described(folder: Path) -> None:
    said: list[str] = []
    film, still = exemplars.described(exemplars.of_folder(folder), CAPTIONER, said.append)
    assert film.texts and film.texts[0] and still.texts == ("a grey wall", "nothing else")
    assert said[0].startswith("film.mp4: ") and "film.txt, says it better" in said[-1]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no dataset, and no still or film; known: "):
        exemplars.of_folder(tmp_path)
