"""Tests what is said about words that the model was not taught, against the shipped weights' own list."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rushes.studio.library import vocabulary
from rushes.studio.settings import StudioConfig


def test_the_shipped_model_names_its_words() -> None:
    known = vocabulary.of(StudioConfig())
    assert known is not None
    assert known.unknown("A red sailboat sails right on the sea at sunset!") == []
    assert known.unknown("a crimson airplane, a medium-sized sailbot and a qwxz, a crimson qwxz") == [
        ("crimson", "red"),
        ("airplane", "plane"),
        ("sailbot", "sailboat"),
        ("qwxz", ""),
    ]


def test_words_are_put_as_they_were_taught() -> None:
    known = vocabulary.of(StudioConfig())
    assert known is not None and known.translated("Crimson dinghy, at sea") == "red sailboat at sea"


def test_weights_on_another_machine_say_nothing(tmp_path: Path) -> None:
    assert vocabulary.of(replace(StudioConfig(), weights=str(tmp_path))) is None
