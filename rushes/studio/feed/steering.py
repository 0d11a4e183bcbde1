"""Steering in words: "more boats, less night" as signed phrases, and the directions that they stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from rushes.errors import InputError
from rushes.studio.feed import words

LONGEST, MOST_PHRASES = 300, 12
BREAKS = re.compile(r"[,;.\n]+|\band\b|\bbut\b", re.IGNORECASE)
SIGNS = {
    **dict.fromkeys(("more", "only", "mostly", "lots of", "show", "i like", "i want"), 1.0),
    **dict.fromkeys(("less", "fewer", "not so much", "not so many"), -1.0),
    **dict.fromkeys(("no", "never", "without", "not", "hide", "no more", "i hate", "stop"), -2.0),
}
LEAD = re.compile(rf"^(?:please\s+)?({'|'.join(sorted(SIGNS, key=len, reverse=True))})(?:\s+|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """What somebody wants to see more of (`weight` > 0) or less of (`weight` < 0)."""

    text: str
    weight: float


def read(text: str) -> tuple[Phrase, ...]:
    """Return the phrases of a steering text; one without a sign takes its neighbour's before it, the first is wanted.

    Raises:
        InputError: a text that is too long, or too many phrases.
    """
    if len(text) > LONGEST:
        raise InputError(f"the steering text has {len(text)} characters; legal: at most {LONGEST}")
    phrases, weight = [], 1.0
    for part in BREAKS.split(text):
        part = " ".join(part.split())
        led = LEAD.match(part)
        if led:
            weight, part = SIGNS[" ".join(led[1].lower().split())], part[led.end() :]
        if np.any(words.embed(part)):
            phrases.append(Phrase(text=part, weight=weight))
    if len(phrases) > MOST_PHRASES:
        raise InputError(f"the steering text has {len(phrases)} phrases; legal: at most {MOST_PHRASES}")
    return tuple(phrases)


def directions(phrases: tuple[Phrase, ...]) -> np.ndarray:
    """Return the phrases' directions, weighted, float32 `[phrases, WIDTH]`."""
    rows = [phrase.weight * words.embed(phrase.text) for phrase in phrases]
    return np.array(rows, np.float32).reshape(len(rows), words.WIDTH)


def said(phrases: tuple[Phrase, ...]) -> str:
    """Return phrases as a sentence that `read` reads alike."""
    signs = {1.0: "more", -1.0: "less", -2.0: "no"}
    return ", ".join(f"{signs[phrase.weight]} {phrase.text}" for phrase in phrases)
