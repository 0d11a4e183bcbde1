"""Tests of what is learned from teachers: fields in the captioner's own words, and datasets without a teacher."""

from pathlib import Path

import pytest

from rushes.data.banks.teacher_rows import known, newest
from rushes.data.captioning.sentences import LABELS
from rushes.errors import InputError
from rushes.models._fields import FILM_FIELDS, value_ids

SAID = {
    "subjects": [{"kind": "cat", "colour": "deep red", "size": "large", "motion": "jumping", "direction": "left"}],
    "place": "a sandy beach", "time": "evening", "weather": "light rain", "camera": "handheld", "shot": "close shot",
    "style": "live action", "relation": "", "quality": ["grainy"],
}  # fmt: skip


def test_a_teachers_words_become_the_captioners() -> None:
    fields = known(SAID)
    assert fields["subjects"] == [
        {"kind": "cat", "colour": "red", "size": "large", "motion": "hop", "direction": "left"}
    ]
    found = {name: fields[name] for name in FILM_FIELDS}
    assert found == {
        "count": None, "relation": None, "place": "beach", "time": "dusk", "weather": "rain", "camera": "shake",
        "shot": "close", "style": None,
    }  # fmt: skip
    assert len(value_ids(LABELS, fields)) == 21


def test_what_has_no_word_is_unknown() -> None:
    fields = known({"subjects": [{"kind": "a woman in a hat", "colour": "striped"}], "place": "a stadium"})
    assert not any(fields["subjects"][0].values()) and fields["place"] is None


def test_of_two_subjects_nobody_knows_which_is_which() -> None:
    fields = known({"subjects": [{"kind": "cat"}, {"kind": "dog"}], "time": "night"})
    assert fields["subjects"][0]["kind"] is None and fields["time"] == "night"


def test_no_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        newest(str(tmp_path / "none"))
