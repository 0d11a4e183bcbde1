"""Scenes are checked, sampled, split and stored."""

import json

import numpy as np
import pytest

from rushes.errors import InputError
from rushes.world import vocabulary as v
from rushes.world.scene import (
    MOTION_DIRECTIONS,
    Scene,
    SceneFilters,
    Subject,
    from_dict,
    is_held_out,
    sample,
    split_of,
    to_dict,
)

CAR = Subject(kind="car", colour="red", motion="drift", direction="left")


def draw(num, **changes):
    rng = np.random.default_rng(0)
    return [sample(rng, filters=SceneFilters(**changes)) for _ in range(num)]


@pytest.mark.parametrize(
    ("changes", "nearest"),
    [
        ({"kind": "carr"}, "'car'"),
        ({"colour": "gray"}, "'grey'"),
        ({"direction": "up"}, "'left'"),
        ({"motion": "driift"}, "'drift'"),
        ({"speed": "fastt"}, "'fast'"),
    ],
)
def test_a_word_outside_its_list_names_the_nearest(changes, nearest):
    legal = {"kind": "car", "colour": "red", "motion": "drift", "direction": "left"}
    with pytest.raises(InputError, match=nearest):
        Subject(**(legal | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"place": "sea"},
        {"place": "space", "time": "day"},
        {"place": "room", "weather": "rain"},
        {"place": "city", "relation": "chases"},
        {"place": "city", "subjects": (CAR, CAR)},
        {"place": "city", "subjects": ()},
        {"place": "city", "variant": 8},
        {"place": "city", "duration_s": 0.0},
        {"place": "city", "subjects": (Subject(kind="car", colour="red", motion="hover"),)},
    ],
)
def test_impossible_scenes_are_refused(changes):
    with pytest.raises(InputError):
        Scene(**({"subjects": (CAR,)} | changes))


def test_the_same_generator_gives_the_same_scenes():
    assert draw(20) == draw(20)


def test_sampling_covers_the_vocabulary():
    scenes = draw(4000)
    subjects = [subject for scene in scenes for subject in scene.subjects]
    assert {s.kind for s in subjects} == set(v.KINDS)
    assert {s.colour for s in subjects} == set(v.COLOURS)
    assert {s.motion for s in subjects} == set(v.MOTIONS)
    assert {(s.motion, s.direction) for s in subjects} == {(m, d) for m in v.MOTIONS for d in MOTION_DIRECTIONS[m]}
    assert {s.place for s in scenes} == set(v.PLACES)
    assert {s.weather for s in scenes} == set(v.WEATHERS)
    assert {s.relation for s in scenes} == set(v.RELATIONS)
    share = np.mean([len(scene.subjects) == 1 for scene in scenes])
    assert 0.80 < share < 0.90
    assert 0.55 < np.mean([scene.camera == "still" for scene in scenes]) < 0.65


def test_splits_share_no_held_out_pair():
    rng = np.random.default_rng(1)
    train = [sample(rng, split="train") for _ in range(1500)]
    test = [sample(rng, split="test") for _ in range(300)]
    assert all(split_of(scene) == "train" for scene in train)
    for scene in test:
        assert any(is_held_out(s.kind, other) for s in scene.subjects for other in (s.colour, scene.place))
    seen = {(s.kind, other) for scene in train for s in scene.subjects for other in (s.colour, scene.place)}
    assert not any(is_held_out(*pair) for pair in seen)


def test_held_out_pairs_never_change():
    colours = {(kind, colour) for kind in v.KINDS for colour in v.COLOURS if is_held_out(kind, colour)}
    places = {(kind, place) for kind in v.KINDS for place in v.places_of(kind) if is_held_out(kind, place)}
    assert 0.05 < len(colours) / 540 < 0.11
    assert 0.03 < len(places) / sum(len(v.places_of(kind)) for kind in v.KINDS) < 0.11
    assert {colour for kind, colour in colours if kind == "swan"} == {"orange", "purple"}
    assert {place for kind, place in places if kind == "mushroom"} == {"mountains", "room"}
    assert not any(kind in v.REALMS["deep"] + v.REALMS["water"] for kind, _ in places)


def test_filters_narrow_the_draw_and_refuse_the_impossible():
    for scene in draw(
        50, kinds=("cat", "bird"), places=("hills",), motions=("drift",), num_subjects_weights=(1.0, 0.0)
    ):
        assert scene.place == "hills"
        assert scene.subjects[0].kind in ("cat", "bird")
        assert scene.subjects[0].motion == "drift"
    with pytest.raises(InputError, match="no scene"):
        draw(1, kinds=("whale",), places=("city",))
    with pytest.raises(InputError, match="'cat'"):
        SceneFilters(kinds=("catt",))
    with pytest.raises(InputError, match="'train'"):
        sample(np.random.default_rng(0), split="tain")


def test_scenes_survive_json():
    for scene in draw(100):
        assert from_dict(json.loads(json.dumps(to_dict(scene)))) == scene


@pytest.mark.parametrize(
    "changes", [{"subjects": 3}, {"subjects": [{"kind": "car"}]}, {"wether": "rain"}, {"variant": "2"}, {"time": None}]
)
def test_foreign_json_is_refused(changes):
    with pytest.raises(InputError):
        from_dict(to_dict(draw(1)[0]) | changes)


def test_a_missing_key_is_refused():
    values = to_dict(draw(1)[0])
    del values["place"]
    with pytest.raises(InputError, match="place"):
        from_dict(values)
