"""Tests of rewriting: it knows every word of the world's captions, invents nothing and loses nothing."""

import numpy as np
import pytest

from rushes.data.banks.caption_rows import EVERYTHING
from rushes.data.captioning.sentences import fields_of, write
from rushes.models import _rewrite
from rushes.models._rewrite import read, rewrite
from rushes.models._writer import LENGTHS
from rushes.world import vocabulary as v
from rushes.world.captions import caption, prompt
from rushes.world.scene import Scene, sample
from rushes.world.synonyms import SYNONYMS

NUM = 250
SUBJECT = ("kind", "colour", "size", "motion", "direction", "speed")


def scenes() -> list[Scene]:
    rng = np.random.default_rng(0)
    return [sample(rng, split=("train", "test")[i % 2], filters=EVERYTHING) for i in range(NUM)]


def mistakes(text: str, scene: Scene) -> list[object]:
    """What is read from a text that is not so in its scene."""
    named = read(text)
    wrong: list[object] = [named.others] if named.others else []
    if len(named.subjects) != len(scene.subjects):
        wrong.append(len(named.subjects))
    for said, subject in zip(named.subjects, scene.subjects, strict=False):
        pairs = [(getattr(said, name), getattr(subject, name)) for name in SUBJECT]
        wrong += [pair for pair in pairs if pair[0] is not None and pair[0] != pair[1]]
    pairs = [(word, getattr(scene, name)) for name, word in named.film.items() if name != "shot"]
    return wrong + [pair for pair in pairs if pair[0] != pair[1]]


def test_prompts_of_the_world_stay_as_they_are() -> None:
    assert [(text, found) for scene in scenes() if (found := rewrite(text := prompt(scene))) != text] == []


def test_captions_of_the_world_are_read_right() -> None:
    rng = np.random.default_rng(1)
    texts = [(caption(scene, rng).text, scene) for scene in scenes()]
    assert [(text, found) for text, scene in texts if (found := mistakes(text, scene))] == []


def test_sentences_of_the_captioner_are_read_right() -> None:
    rng, boxes = np.random.default_rng(2), np.zeros((1, 2, 4))
    texts = [(write(fields_of(scene, boxes), length, rng), scene) for scene in scenes() for length in LENGTHS]
    assert [(text, found) for text, scene in texts if (found := mistakes(text, scene))] == []


def test_it_knows_the_kinds_of_the_world() -> None:
    assert set(_rewrite._KINDS) == set(v.KINDS) and set(_rewrite._COLOURS.split("|")) == set(v.COLOURS)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("A boat at sunset", "a sailboat at sunset"),
        ("at sunset we see a RED boat", "a red sailboat at sunset"),
        ("the camera zooms in on a tiny crimson kitten", "a small red cat, the camera zooms in"),
        ("a majestic blue whale leaps, cinematic", "a blue whale hops, majestic cinematic"),
        ("a dog and a cat in the rain", "a dog and a cat in the rain"),
        ("a duck runs after a swan", "a duck chases a swan"),
        ("a dragon over the city", "a dragon over the city"),
        ("", ""),
    ],
)
def test_prompts_become_captions(asked: str, said: str) -> None:
    assert rewrite(asked, SYNONYMS) == said


def test_rewriting_twice_is_rewriting_once() -> None:
    rng = np.random.default_rng(3)
    once = [rewrite(caption(scene, rng).text) for scene in scenes()]
    assert [text for text in once if rewrite(text) != text] == []


def test_no_text_is_too_odd() -> None:
    for text in ("🐈", "a " * 500, "left right left", "the the something", "\x00", "pan left " * 50, "naïve café"):
        assert isinstance(rewrite(text), str)
