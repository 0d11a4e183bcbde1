"""Tests of what the captioner learns to say: fields of scenes, and sentences that keep to them."""

import numpy as np
import pytest

from rushes.data.banks.caption_rows import EVERYTHING
from rushes.data.captioning.sentences import LABELS, SHOT_SIDES, every_word, fields_of, shot_of, write
from rushes.models._fields import FIELDS, TAGS
from rushes.models._rewrite import read
from rushes.models._writer import LENGTHS, Pieces
from rushes.world.scene import Scene, Subject, sample

BOXES = np.full((3, 2, 4), (0.0, 0.0, 0.17, 1.0))
SCENE = Scene(
    place="hills", time="dusk", weather="rain", camera="pan_left", style="pixel", duration_s=3.0,
    subjects=(Subject(kind="cat", colour="red", size="small", motion="hop", direction="left"),),
)  # fmt: skip


def test_fields_are_those_of_the_scene() -> None:
    fields = fields_of(SCENE, BOXES, ("noisy",))
    assert fields["subjects"] == [
        {"kind": "cat", "colour": "red", "size": "small", "motion": "hop", "direction": "left"}
    ]
    assert (fields["shot"], fields["quality"], fields["count"]) == ("medium", ["noisy"], "1")
    assert set(FIELDS) == set(LABELS) and all(fields[a] in LABELS[a] for a in FIELDS if a in fields)


def test_ink_has_no_colours() -> None:
    rng = np.random.default_rng(0)
    scene = next(s for s in iter(lambda: sample(rng, filters=EVERYTHING), None) if s.style == "ink")
    assert all(subject["colour"] is None for subject in fields_of(scene, BOXES)["subjects"])


@pytest.mark.parametrize(("side", "shot"), [(0.0, "wide"), (SHOT_SIDES[0] + 0.01, "medium"), (0.9, "close")])
def test_shots_go_by_the_largest_subject(side: float, shot: str) -> None:
    found = np.zeros((4, 2, 4))
    found[:, 1] = (0, 0, side / 2, 1)
    assert shot_of(found) == shot


@pytest.mark.parametrize("length", LENGTHS)
def test_what_is_unknown_is_not_said(length: str) -> None:
    rng, fields = np.random.default_rng(0), fields_of(SCENE, BOXES, TAGS)
    nothing = {name: None for name in fields} | {"subjects": [dict.fromkeys(fields["subjects"][0])], "quality": []}
    assert write(nothing, length, rng).strip(". ") == "something"
    for name in ("place", "time", "weather", "camera", "style", "shot"):
        named = read(write({**fields, name: None}, length, rng))
        assert name not in named.film and not named.others


def test_longer_captions_say_more() -> None:
    rng, fields = np.random.default_rng(0), fields_of(SCENE, BOXES, ("blurred",))
    said = [len(read(write(fields, length, rng)).film) for length in LENGTHS]
    assert said == sorted(said) and said[0] == 1 and said[2] == 6
    assert read(write(fields, "dense", rng)).quality == ["blurred"]


def test_every_word_is_a_piece_and_every_caption_fits() -> None:
    rng, pieces = np.random.default_rng(0), Pieces(every_word(), 80)
    for _ in range(150):
        fields = fields_of(sample(rng, filters=EVERYTHING), BOXES, TAGS)
        for length in LENGTHS:
            text = write(fields, length, rng)
            ids = pieces.encode(text)
            assert pieces.decode(ids).replace(" ", "") == text.replace(" ", "")
            assert not any(pieces.pieces[i].startswith("+") for i in ids)
