"""Tests the errors that people see and how they list what is legal."""

from __future__ import annotations

import pytest

from rushes.errors import InputError, RushesError, WeightsError, nearest_first


@pytest.mark.parametrize(("kind", "exit_code"), [(RushesError, 1), (InputError, 2), (WeightsError, 1)])
def test_exit_codes(kind: type[RushesError], exit_code: int) -> None:
    assert issubclass(kind, RushesError)
    assert kind("why").exit_code == exit_code
    assert str(kind("why")) == "why"


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("shrot", "short, flipbook, feature"),
        ("zzz", "flipbook, short, feature"),
        ("feature", "feature, flipbook, short"),
    ],
)
def test_nearest_first(word: str, line: str) -> None:
    assert nearest_first(word, ["flipbook", "short", "feature"]) == line
    assert nearest_first(word, []) == ""
