"""Tests what a request's conditions name: pictures and films, read as the model and its painter need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rushes import given
from rushes.errors import InputError
from rushes.layouts import CUTOUT_PX
from rushes.media.encode import encode
from rushes.tiers import Plan, plan
from rushes.types import Condition, GenerationRequest, VideoShape

DARK, LIGHT = 60, 190


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Three seconds at 8 frames a second: dark, light, dark."""
    path = tmp_path / "film.mp4"
    frames = (np.full((512, 512, 3), LIGHT if 8 <= i < 16 else DARK, np.uint8) for i in range(24))
    encode(path, frames, fps=8, shape=VideoShape(frames=24, height=512, width=512))
    return path


def asked(*conditions: Condition, seconds: int = 3) -> tuple[GenerationRequest, Plan]:
    shape = VideoShape(frames=8 * seconds, height=512, width=512)
    request = GenerationRequest(prompt="a", shape=shape, fps=8, num_steps=1, guidance_scale=1.0, conditions=conditions)
    return request, plan(request)


def levels(views: np.ndarray | Iterator[np.ndarray]) -> list[str]:
    return ["light" if view.mean() > 125 else "dark" for view in views]


def test_views_are_as_the_model_sees_them(film: Path) -> None:
    condition = Condition(kind="remix", uri=str(film))
    _, shot = asked(condition)
    views = given.film(condition, shot, 16, num_frames=24)
    assert views.shape == (24, 192, 192, 3)
    assert levels(views) == ["dark"] * 8 + ["light"] * 8 + ["dark"] * 8


@pytest.mark.parametrize(("kind", "num"), [("first", 1), ("last", 1), ("remix", 24), ("edges", 24), ("depth", 24)])
def test_each_condition_has_its_views(film: Path, kind: str, num: int) -> None:
    request, shot = asked(Condition(kind=kind, uri=str(film)))
    shown = given.views(request, shot, 4)
    assert {kind: views.shape for kind, views in shown.items()} == {kind: (num, 48, 48, 3)}


@pytest.mark.parametrize(("given_s", "seen"), [(1, ["dark"]), (2, ["dark", "light"]), (3, ["light", "dark"])])
def test_of_a_film_that_is_gone_on_from_the_end_is_seen(film: Path, given_s: int, seen: list[str]) -> None:
    condition = Condition(kind="extend", uri=str(film), seconds=given_s)
    request, shot = asked(condition, seconds=given_s + 1)
    assert levels(given.end(condition, shot, 4))[::8] == seen
    assert len(list(given.frames(request, shot))) == 8 * given_s


def test_without_conditions_nothing_is_given_and_nothing_changed() -> None:
    request, shot = asked()
    assert list(given.frames(request, shot)) == []
    frame = np.zeros((2, 2, 3), np.uint8)
    assert next(given.around(request, shot, iter([frame]))) is frame


def test_an_area_meets_the_rest_softly(film: Path) -> None:
    condition = Condition(kind="remix", uri=str(film), area=(0.5, 0.25, 1.0, 0.75))
    request, shot = asked(condition)
    white = (np.full((512, 512, 3), 255, np.uint8) for _ in range(24))
    first = next(given.around(request, shot, white)).astype(int)
    assert (first[128:384, 256:] == 255).all()
    assert np.abs(first[:, :230] - DARK).max() <= 2
    assert np.abs(first[:100] - DARK).max() <= 2
    edge = first[256, 236:260, 0]
    assert (np.diff(edge) >= 0).all() and len(set(edge)) > 8
    free = given.is_free(condition.area, shot)
    assert free.shape == (12, 12)
    assert free[3:9, 6:].all() and free.sum() == 36


def test_a_changed_or_missing_file_is_named(film: Path, tmp_path: Path) -> None:
    good = Condition(kind="first", uri=str(film), sha256=given.digest(film))
    request, shot = asked(good)
    assert given.views(request, shot, 4)["first"].mean() < 100
    with pytest.raises(InputError, match=r"film\.mp4 has changed since it was named"):
        given.film(Condition(kind="first", uri=str(film), sha256="0" * 64), shot, 4, num_frames=1)
    with pytest.raises(InputError, match=r"cannot read .*none\.png: No such file"):
        given.digest(tmp_path / "none.png")


def box() -> np.ndarray:
    """Return which pixels of a cut-out a thing three times as wide as high surely covers."""
    covered = np.zeros((CUTOUT_PX, CUTOUT_PX), bool)
    margin = (CUTOUT_PX - 40) // 2
    covered[19:29, margin + 2 : margin + 38] = True
    return covered


@pytest.mark.parametrize("background", [(255, 255, 255), (20, 120, 40), (127, 127, 127), None])
def test_a_subject_is_cut_off_its_background(tmp_path: Path, background: tuple[int, int, int] | None) -> None:
    picture = Image.new("RGBA", (300, 200), (*background, 255) if background else (0, 0, 0, 0))
    picture.paste((200, 30, 60, 255), (60, 70, 180, 110))
    picture.save(tmp_path / "box.png")
    found = given.cutout(tmp_path / "box.png")
    assert found.shape == (4, CUTOUT_PX, CUTOUT_PX) and found.dtype == np.float32
    assert (found[:3] <= found[3:] + 1e-6).all()
    assert found[3][box()].min() > 0.9 and found[3].sum() < 1.6 * box().sum()
    assert np.abs(found[:3, CUTOUT_PX // 2, CUTOUT_PX // 2] * 255 - (200, 30, 60)).max() < 3


def test_a_picture_without_a_subject_says_so(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "plain.png")
    with pytest.raises(InputError, match=r"plain\.png shows no subject that can be cut out; give a picture"):
        given.cutout(tmp_path / "plain.png")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    with pytest.raises(InputError, match=r"noise\.png has no plain background"):
        given.cutout(tmp_path / "noise.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"text\.png is no picture"):
        given.cutout(tmp_path / "text.png")
    with pytest.raises(InputError, match=r"none\.png is no picture"):
        given.cutout(tmp_path / "none.png")
