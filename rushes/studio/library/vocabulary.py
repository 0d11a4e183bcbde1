"""Vocabulary: which words of a prompt the model was taught, so that people hear of the others before they wait."""

from __future__ import annotations

import difflib
import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path

from rushes.studio.settings import StudioConfig

SHIPPED = Path(__file__).parents[3] / "weights"
WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
CLOSE = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The taught words, and the taught word that means the most like some others."""

    words: frozenset[str]
    synonyms: dict[str, str]

    def unknown(self, text: str) -> list[tuple[str, str]]:
        """Return the words of `text` that were never taught, each with the nearest taught one (or an empty string)."""
        found = WORD.findall(text.lower())
        parts = [part for word in found for part in ([word] if word in self.words else word.split("-"))]
        return [(word, self._nearest(word)) for word in dict.fromkeys(parts) if word not in self.words]

    def translated(self, text: str) -> str:
        """Return `text` with each word that has one replaced by the taught word that means the most like it."""
        return " ".join(self.synonyms.get(word, word) for word in WORD.findall(text.lower()))

    def _nearest(self, word: str) -> str:
        spelt = difflib.get_close_matches(word, self.words, n=1, cutoff=CLOSE)
        return self.synonyms.get(word) or (spelt[0] if spelt else "")


def of(config: StudioConfig) -> Vocabulary | None:
    """Return what the studio's model was taught; None where its weights are not on this machine."""
    return _read(Path(config.weights or SHIPPED) / "film")


def kinds(config: StudioConfig) -> tuple[str, ...]:
    """Return the kinds of things that the studio's captioner tells apart; none where it is not on this machine."""
    return _kinds(Path(config.weights or SHIPPED) / "captioner")


@functools.lru_cache(maxsize=4)
def _kinds(folder: Path) -> tuple[str, ...]:
    try:
        described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    return tuple(described["config"]["labels"][0].split("|"))


@functools.lru_cache(maxsize=4)
def _read(folder: Path) -> Vocabulary | None:
    try:
        described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        synonyms = json.loads((folder / "synonyms.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Vocabulary(words=frozenset(described["config"]["text"]["words"]), synonyms=synonyms)
