"""Tests the nouns: shape arithmetic as properties, and that an illegal value names the nearest legal one."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rushes.errors import InputError
from rushes.types import MAX_SEED, Caption, Factors, GenerationRequest, Video, VideoShape, nearest_multiple

SIDE = st.integers(1, 5000)
FACTOR = st.integers(1, 100)
NAMES = ("frames", "height", "width")
REQUEST = {
    "prompt": "a red car drives left",
    "shape": VideoShape(frames=24, height=720, width=1280),
    "fps": 24,
    "num_steps": 12,
    "guidance_scale": 4.0,
}


@given(st.integers(-100, 10_000), FACTOR)
def test_nearest_multiple_is_the_nearest_positive_one(value: int, factor: int) -> None:
    nearest = nearest_multiple(value, factor)
    assert nearest % factor == 0
    assert nearest > 0
    others = [multiple for multiple in (nearest - factor, nearest + factor) if multiple > 0]
    assert all(abs(nearest - value) <= abs(other - value) for other in others)
    assert nearest_multiple(nearest, factor) == nearest


def test_nearest_multiple_goes_up_at_a_tie() -> None:
    assert [nearest_multiple(value, 16) for value in (8, 24, 23, 40)] == [16, 32, 16, 48]


@given(st.tuples(SIDE, SIDE, SIDE), st.tuples(FACTOR, FACTOR, FACTOR))
def test_latent_inverts_a_multiplication(cells: tuple[int, int, int], factors: tuple[int, int, int]) -> None:
    pixels = VideoShape(**{name: c * f for name, c, f in zip(NAMES, cells, factors, strict=True)})
    latent = pixels.latent(Factors(**dict(zip(NAMES, factors, strict=True))))
    assert latent == VideoShape(**dict(zip(NAMES, cells, strict=True)))


@given(st.tuples(SIDE, SIDE, SIDE), st.tuples(FACTOR, FACTOR, FACTOR))
def test_following_the_advice_of_latent_ends_in_a_legal_shape(sides, factors) -> None:
    shape, per_cell = (
        kind(**dict(zip(NAMES, values, strict=True))) for kind, values in ((VideoShape, sides), (Factors, factors))
    )
    assume(any(side % factor for side, factor in zip(sides, factors, strict=True)))
    for _ in NAMES:
        try:
            shape.latent(per_cell)
        except InputError as error:
            found = re.fullmatch(r"(\w+) (\d+) is no multiple of (\d+); the nearest legal value is (\d+)", str(error))
            assert found
            assert getattr(shape, found[1]) == int(found[2])
            shape = dataclasses.replace(shape, **{found[1]: int(found[4])})
    latent = shape.latent(per_cell)
    assert [getattr(latent, name) * getattr(per_cell, name) for name in NAMES] == [getattr(shape, n) for n in NAMES]


@pytest.mark.parametrize("kind", [VideoShape, Factors])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -3])
def test_a_side_below_one_is_illegal(kind: type, name: str, value: int) -> None:
    with pytest.raises(InputError, match=f"{name} is {value}; the nearest legal value is 1"):
        kind(**{**dict.fromkeys(NAMES, 8), name: value})


def test_a_shape_reads_as_frames_height_width() -> None:
    assert str(REQUEST["shape"]) == "24x720x1280"


def test_nouns_are_frozen_and_keyword_only() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Caption(text="a cat").text = "a dog"  # type: ignore[misc]
    with pytest.raises(TypeError):
        VideoShape(1, 2, 3)  # type: ignore[misc]


def test_a_legal_request_keeps_what_it_was_given() -> None:
    request = GenerationRequest(**{**REQUEST, "seed": MAX_SEED, "num_steps": 1000, "guidance_scale": 0.0})
    assert (request.seed, request.num_steps, request.conditions) == (MAX_SEED, 1000, ())
    assert GenerationRequest(**{**REQUEST, "prompt": "x" * 2000}).prompt == "x" * 2000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt": ""}, "the prompt is empty; say what"),
        ({"prompt": " \n\t"}, "the prompt is empty; say what"),
        ({"prompt": "x" * 2001}, "the prompt has 2001 characters; the longest legal one has 2000"),
        ({"negative_prompt": "x" * 2001}, "the negative prompt has 2001 characters"),
        ({"prompt": b"caf\xe9".decode(errors="surrogateescape")}, "the prompt is no legal Unicode"),
        ({"fps": 0}, "fps 0 is illegal; the nearest legal value is 1"),
        ({"seed": -1}, "seed -1 is illegal; the nearest legal value is 0"),
        ({"seed": 2**63}, f"seed {2**63} is illegal; the nearest legal value is {2**63 - 1}"),
        ({"num_steps": 0}, "num_steps 0 is illegal; the nearest legal value is 1"),
        ({"num_steps": 1001}, "the nearest legal value is 1000"),
        ({"guidance_scale": -0.1}, "guidance_scale -0.1 is illegal; the nearest legal value is 0.0"),
        ({"guidance_scale": 31.0}, "the nearest legal value is 30.0"),
        ({"guidance_scale": math.nan}, "guidance_scale nan is illegal"),
    ],
)
def test_an_illegal_request_names_the_nearest_legal_value(change: dict, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        GenerationRequest(**{**REQUEST, **change})


def test_a_video_knows_its_shape() -> None:
    video = Video(frames=np.zeros((4, 6, 8, 3), np.uint8), fps=8)
    assert video.shape == VideoShape(frames=4, height=6, width=8)
    assert video == video
    assert video != Video(frames=video.frames, fps=8)


@pytest.mark.parametrize(
    ("frames", "fps", "said"),
    [
        (np.zeros((4, 6, 8, 3), np.float32), 8, "not float32 [4, 6, 8, 3]"),
        (np.zeros((6, 8, 3), np.uint8), 8, "not uint8 [6, 8, 3]"),
        (np.zeros((4, 3, 6, 8), np.uint8), 8, "not uint8 [4, 3, 6, 8]"),
        (np.zeros((4, 6, 8, 3), np.uint8), 0, "fps 0 is illegal"),
        (np.zeros((4, 6, 8, 3), np.uint8), math.nan, "fps nan is illegal"),
    ],
)
def test_other_arrays_are_no_video(frames: np.ndarray, fps: float, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        Video(frames=frames, fps=fps)
