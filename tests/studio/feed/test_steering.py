"""Tests how a sentence becomes signed phrases."""

from __future__ import annotations

import pytest

from rushes.errors import InputError
from rushes.studio.feed import steering
from rushes.studio.feed.words import WIDTH


def pairs(text: str) -> list[tuple[str, float]]:
    return [(phrase.text, phrase.weight) for phrase in steering.read(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        ("boats", [("boats", 1)]),
        ("more boats, less night", [("boats", 1), ("night", -1)]),
        ("No cars and trucks; lots of SNOW", [("cars", -2), ("trucks", -2), ("SNOW", 1)]),
        ("please show slow rivers but no more cats.", [("slow rivers", 1), ("cats", -2)]),
        ("more, , and", []),
        ("northern lights", [("northern lights", 1)]),
    ],
)
def test_read(text, wanted) -> None:
    assert pairs(text) == wanted


def test_what_is_said_reads_alike() -> None:
    phrases = steering.read("more boats, less night, no cars")
    assert steering.read(steering.said(phrases)) == phrases


def test_directions_point_away_from_what_is_not_wanted() -> None:
    vectors = steering.directions(steering.read("boats, less night"))
    assert vectors.shape == (2, WIDTH)
    assert vectors[0] @ steering.words.embed("a boat") > 0 > vectors[1] @ steering.words.embed("at night")
    assert steering.directions(()).shape == (0, WIDTH)


def test_bounds() -> None:
    with pytest.raises(InputError, match="at most 300"):
        steering.read("x" * 301)
    with pytest.raises(InputError, match="13 phrases"):
        steering.read(",".join(f"thing{i}" for i in range(13)))
