"""Tests of cards: the pictures of a clip are its own and small, what is missing is said, transitions are shown."""

import base64
import io
from dataclasses import replace

import by_hand
import pytest
from PIL import Image

from rushes.data.dataset import Dataset
from rushes.data.report.cards import PICTURES, Album, Ink


def album(data: Dataset, left: int = 10**7) -> Album:
    return Album(data=data, rows=data.current_rows(), ink=Ink(left=left))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return by_hand.write(tmp_path_factory.mktemp("hand"), num_pictured=2, names=("file:///films/a%20b.mp4",))


def picture(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))


def test_a_card_shows_its_clip(data: Dataset) -> None:
    first, ghost = data.clips()["clip_id"][1].as_py(), "0" * 32
    cards = album(data).cards([first, ghost, first])
    assert list(cards) == [first]
    card = cards[first]
    assert (card.source, card.uri, card.place) == ("a b.mp4", "/films/a b.mp4", "0:02.00 to 0:04.00")
    assert card.captions[0] == ("caption short", by_hand.WORDS[1])
    assert len(card.pictures) == PICTURES and card.remarks == ()
    # The clip shows the pictures of seconds 2 and 3, first and last.
    for uri, second in ((card.pictures[0], 2), (card.pictures[-1], 3)):
        with picture(uri) as shown, Image.open(io.BytesIO(by_hand.jpeg(second))) as kept:
            assert shown.width == 200
            near = zip(shown.resize((4, 3)).tobytes(), kept.resize((4, 3)).tobytes(), strict=True)
            assert max(abs(a - b) for a, b in near) < 40


def test_a_card_without_pictures_says_why(data: Dataset) -> None:
    last = data.clips()["clip_id"][19].as_py()
    card = album(data).cards([last])[last]
    assert card.pictures == () and "has no analysis here" in card.remarks[0]


def test_a_clip_that_a_stage_could_not_measure_says_why(data: Dataset) -> None:
    tenth = data.clips()["clip_id"][10].as_py()
    assert "motion failed: it has <one> picture" in album(data).cards([tenth])[tenth].remarks


def test_pictures_stay_within_their_bytes(data: Dataset) -> None:
    own = album(data, left=6000)
    cards = own.cards(data.clips()["clip_id"].to_pylist())
    used = sum(len(base64.b64decode(uri[23:])) for card in cards.values() for uri in card.pictures)
    assert 0 < used <= 6000 and own.ink.left == 6000 - used


def test_tall_pictures_are_no_larger_than_wide_ones() -> None:
    ink = Ink(left=10**6)
    with picture(ink.picture(by_hand.jpeg(1, (108, 192)))) as shown:
        assert shown.height == 150


def test_transitions_are_drawn_from_several_sources(data: Dataset) -> None:
    joins = album(data).joins(5)
    assert len(joins) == 5
    assert {join.kind for join in joins} == {"cut"}
    assert {join.source for join in joins} == {"a b.mp4", "film 1.mp4"}
    assert all(len(join.pictures) == 2 and join.length == "" for join in joins)
    assert replace(joins[0]) == joins[0]
    assert album(data).joins(0) == []
