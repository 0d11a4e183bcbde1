"""Tests that a thing is found by the name of its file, and that a wrong name lists the right ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import rushes
from rushes.errors import InputError
from rushes.registry import find, names


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package `rushes.shelf_for_tests` on disk with two things and one private file."""
    folder = tmp_path / "shelf_for_tests"
    folder.mkdir()
    for name, text in {"__init__": "", "tiny": "SPEC = 'a tiny thing'", "grand": "SPEC = 2", "_shared": ""}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(rushes, "__path__", [*rushes.__path__, str(tmp_path)])
    yield "shelf_for_tests"
    for module in [module for module in sys.modules if module.startswith("rushes.shelf_for_tests")]:
        del sys.modules[module]


def test_names_are_the_files(shelf: str) -> None:
    assert names(shelf) == ["grand", "tiny"]
    assert not [module for module in sys.modules if module.startswith(f"rushes.{shelf}.")]


def test_find_returns_the_spec(shelf: str) -> None:
    assert find(shelf, "tiny") == "a tiny thing"
    assert find(shelf, "grand") == 2


@pytest.mark.parametrize(
    ("name", "listed"),
    [("tinny", "tiny, grand"), ("_shared", "grand, tiny"), ("../tiny", "tiny, grand"), ("", "grand, tiny")],
)
def test_a_wrong_name_lists_the_right_ones(shelf: str, name: str, listed: str) -> None:
    with pytest.raises(InputError, match=f"among {shelf}; known: {listed}$"):
        find(shelf, name)
