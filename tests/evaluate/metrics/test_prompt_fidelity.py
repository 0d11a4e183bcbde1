"""Scores of answers against scenes, and their intervals."""

import pytest

from rushes.errors import InputError
from rushes.evaluate.metrics.prompt_fidelity import ATTRIBUTES, SPEC, truth, wilson
from rushes.world.scene import Scene, Subject

CAR = Scene(
    place="city", weather="rain", subjects=(Subject(kind="car", colour="red", motion="drift", direction="left"),)
)
STAR = Scene(place="space", time="night", subjects=(Subject(kind="star", colour="white"),))
CAT = Scene(place="room", time="dusk", subjects=(Subject(kind="cat", colour="black", motion="spin"),))


@pytest.mark.parametrize(
    ("right", "num", "low", "high"),
    [(50, 100, 0.40383, 0.59617), (0, 10, 0.0, 0.27754), (10, 10, 0.72246, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_intervals_as_published(right, num, low, high):
    assert wilson(right, num) == pytest.approx((low, high), abs=1e-5)


def test_what_a_scene_does_not_have_is_left_out():
    assert truth(CAR) == {
        "place": "city",
        "time": "day",
        "weather": "rain",
        "kind": "car",
        "colour": "red",
        "direction": "left",
        "motion": "drift",
        "size": "medium",
        "camera": "still",
    }
    assert set(ATTRIBUTES) - set(truth(STAR)) == {"time", "weather", "direction"}
    assert set(ATTRIBUTES) - set(truth(CAT)) == {"weather", "direction"}


def test_each_attribute_counts_the_scenes_that_have_it():
    answers = [truth(CAR) | {"colour": "blue"}, truth(CAR), dict.fromkeys(ATTRIBUTES, "none") | {"place": "room"}]
    rows = {row["attribute"]: row for row in SPEC.measure(answers, [CAR, CAR, CAT])}
    assert list(rows) == list(ATTRIBUTES)
    assert (rows["colour"]["right"], rows["colour"]["num"]) == (1, 3)
    assert (rows["place"]["right"], rows["place"]["num"]) == (3, 3)
    assert (rows["direction"]["right"], rows["direction"]["num"]) == (2, 2)
    assert rows["colour"]["low"] < rows["colour"]["share"] == 1 / 3 < rows["colour"]["high"]


def test_nothing_to_score_is_no_share():
    rows = {row["attribute"]: row for row in SPEC.measure([truth(STAR)], [STAR])}
    assert rows["weather"]["share"] is None
    assert rows["weather"]["num"] == 0


def test_answers_and_scenes_must_match():
    with pytest.raises(InputError, match="1 films for 0 scenes"):
        SPEC.measure([truth(CAR)], [])
