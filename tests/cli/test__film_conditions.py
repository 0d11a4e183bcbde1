"""Tests what becomes of `--first`, `--last`, `--extend`, `--remix`, `--strength`, `--area` and `--loop`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from rushes import given
from rushes.cli._film_conditions import EXTENDED_S, STRENGTH, Typed, read, read_area
from rushes.cli.main import main
from rushes.errors import InputError
from rushes.media.encode import encode
from rushes.types import VideoShape


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (640, 360), (200, 30, 30)).save(tmp_path / "red.png")
    return tmp_path / "red.png"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two and a half seconds of no legal size or rate."""
    frames = (np.full((350, 640, 3), 4 * index, np.uint8) for index in range(50))
    encode(tmp_path / "film.mp4", frames, fps=20, shape=VideoShape(frames=50, height=350, width=640))
    return tmp_path / "film.mp4"


def test_nothing_typed_is_no_condition() -> None:
    found = read(Typed())
    assert (found.conditions, found.like, found.given_s) == ((), None, 0)


def test_pictures_are_named_with_their_digest(picture: Path) -> None:
    found = read(Typed(first=picture, last=picture))
    assert [one.kind for one in found.conditions] == ["first", "last"]
    assert {(one.uri, one.sha256) for one in found.conditions} == {(str(picture), given.digest(picture))}
    assert found.like is None


def test_what_a_film_is_laid_out_like_is_named_as_it_is_to_be_read(picture: Path, film: Path) -> None:
    found = read(Typed(edges=film, depth=picture))
    assert [(one.kind, one.uri) for one in found.conditions] == [("edges", str(film)), ("depth", str(picture))]
    assert found.like is None
    with pytest.raises(InputError, match="there is no file"):
        read(Typed(sketch=film.with_name("none.png")))


def test_an_extended_film_counts_its_whole_seconds_and_gives_the_shape(film: Path) -> None:
    found = read(Typed(extend=film))
    assert found.given_s == 2
    assert found.like is not None
    assert (found.like.shape, found.like.fps) == (VideoShape(frames=24 * EXTENDED_S, height=384, width=672), 24)


def test_a_remix_is_like_its_film_and_as_strong_as_is_said(film: Path, picture: Path) -> None:
    plain, part, weak = (
        read(Typed(remix=film, **more)) for more in ({}, {"area": "0,0,0.5,1"}, {"area": "0,0,1,1", "strength": 0.2})
    )
    assert [one.conditions[0].strength for one in (plain, part, weak)] == [STRENGTH, 1.0, 0.2]
    assert part.conditions[0].area == (0.0, 0.0, 0.5, 1.0)
    assert plain.like is not None and plain.like.shape.frames in (48, 72)
    still = read(Typed(remix=picture, loop=True))
    assert [one.kind for one in still.conditions] == ["remix", "loop"]
    assert still.like is not None and still.like.shape.frames == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--strength", "0.5"), "--strength needs --remix FILM"),
        (("--path", "0.1 0.2"), "path '0.1 0.2' is illegal; it is 'X,Y X,Y ...'"),
        (("--path", "0.1,0.2"), "a path of 1 points is illegal; the nearest legal number is 2"),
        (("--path", "0.1,0.2 7,0.5"), "the path's point 7,0.5 is too far outside; nearest to 7 is 1.5"),
        (("--path", "0,0 1,1", "--loop"), "conditions 'path' and 'loop' contradict each other"),
        (("--area", "0,0,1,1"), "--area needs --remix FILM"),
        (("--remix", "none.mp4"), "none.mp4"),
        (("--first", "none.png"), "none.png"),
        (("--remix", "red.png", "--strength", "2"), "strength 2.0 is illegal; the nearest legal value is 1.0"),
        (("--remix", "red.png", "--area", "0,0,1"), "it is LEFT,TOP,RIGHT,BOTTOM"),
        (("--remix", "red.png", "--area", "0.5,0,0.2,1"), "area (0.5, 0.0, 0.2, 1.0) is illegal"),
        (("--extend", "red.png"), "a film of 0 whole seconds can't be extended"),
        (("--first", "red.png", "--loop"), "contradict each other"),
    ],
)
def test_illegal_conditions_are_one_line(
    picture: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(picture.parent)
    done = CliRunner().invoke(main, ["film", "red cat", "--tier", "flipbook", *arguments])
    assert done.exit_code == 2 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", "0,0,1", "a,b,c,d", "0;0;1;1"])
def test_an_area_is_four_numbers(text: str) -> None:
    with pytest.raises(InputError, match="LEFT,TOP,RIGHT,BOTTOM"):
        read_area(text)
