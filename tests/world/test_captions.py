"""Captions name what is there, in many wordings, with a closed set of words."""

import numpy as np
import pytest

from rushes.world import phrases
from rushes.world import vocabulary as v
from rushes.world.captions import MAX_WORDS, MIN_WORDS, caption, nearest, prompt, split_words, words
from rushes.world.scene import Scene, SceneFilters, Subject, sample

SAILBOAT = Subject(kind="sailboat", colour="red", motion="drift", direction="left")


def scenes(num, seed=0, **changes):
    rng = np.random.default_rng(seed)
    filters = SceneFilters(styles=v.STYLES, **changes)
    return [sample(rng, filters=filters) for _ in range(num)]


def captions(scene, num):
    rng = np.random.default_rng(0)
    return [caption(scene, rng).text for _ in range(num)]


def test_captions_are_lower_case_short_and_tidy():
    rng = np.random.default_rng(1)
    for scene in scenes(1500):
        text = caption(scene, rng).text
        assert text == text.lower().strip()
        assert MIN_WORDS <= len(text.split()) <= MAX_WORDS
        assert not any(mark in text for mark in ("  ", " ,", ",,", "{", "}", ":,"))
        for subject in scene.subjects:
            assert f"{subject.colour} {subject.kind}" in text


def test_words_hold_all_that_is_ever_said():
    rng = np.random.default_rng(2)
    said = set()
    for scene in scenes(2500):
        said |= set(split_words(caption(scene, rng).text)) | set(split_words(prompt(scene)))
    assert said <= words()
    assert len(words() - said) < 12
    assert len(words()) < 400


def test_wording_varies():
    texts = captions(Scene(place="sea", time="sunset", weather="rain", camera="pan_left", subjects=(SAILBOAT,)), 400)
    assert len(set(texts)) > 350
    assert len(set(phrases.PATTERNS)) >= 12
    assert sum("rain" in text for text in texts) > 300
    assert sum("pan" in text or "camera" in text for text in texts) > 300


def test_what_is_usual_is_mostly_left_out():
    texts = captions(Scene(place="sea", time="sunset", subjects=(SAILBOAT,)), 400)
    assert sum("clear" in text for text in texts) < 80
    assert sum("camera" in text for text in texts) < 80
    assert sum("paper" in text for text in texts) < 50


def test_prompt_is_the_canonical_sentence():
    scene = Scene(place="sea", time="sunset", subjects=(SAILBOAT,))
    assert prompt(scene) == "a red sailboat sails left on the sea at sunset"
    whale = Subject(kind="whale", colour="orange", size="large", motion="rise", direction="up", speed="slow")
    scene = Scene(place="underwater", time="night", camera="zoom_in", style="ink", subjects=(whale,))
    said = "a large orange whale rises slowly underwater at night, the camera zooms in, in ink style"
    assert prompt(scene) == said
    rocket = Subject(kind="rocket", colour="orange", motion="drift", direction="right")
    assert prompt(Scene(place="space", time="night", subjects=(rocket,))) == "an orange rocket flies right in space"


@pytest.mark.parametrize("relation", [r for r in v.RELATIONS if r != "none"])
def test_two_subjects_are_related_by_words(relation):
    told = [s for s in scenes(300, num_subjects_weights=(0.0, 1.0)) if s.relation == relation]
    assert told
    for scene in told:
        first, second = (f"{s.colour} {s.kind}" for s in scene.subjects)
        text = prompt(scene)
        assert text.index(first) < text.index(phrases.RELATION_VERBS[relation][0][0]) < text.rindex(second)


def test_every_scene_has_its_own_prompt():
    """Two scenes with one prompt differ at most in layout, seed, length and the order that a collision hides."""
    told = {}
    for scene in scenes(1500, seed=5):
        if scene.relation == "none":
            told.setdefault(prompt(scene), set()).add(
                (scene.place, scene.time, scene.weather, scene.camera, scene.subjects)
            )
    for text, shown in told.items():
        motions = {subjects[0].speed for *_, subjects in shown if subjects[0].motion == "rest"}
        assert len(shown) <= max(1, len(motions)), text


def test_nearest_taught_word():
    assert nearest("Sailboat") == "sailboat"
    assert nearest("yacht") == "sailboat"
    assert nearest("elefant") == "elephant"
    assert nearest("xqzvw") is None
