"""Words as directions: what a film's text is near to, without a network, the same on every machine.

A text becomes the sum of its words and of the pieces of its words (three and four letters), each hashed to one of
`WIDTH` directions with a sign. "boat", "boats" and "sailboat" share pieces and so lie near each other. The limits are
plain: it knows no synonyms ("ship" and "boat" are strangers), no word order ("dog bites man"), no pictures, and with
`WIDTH` directions two unrelated texts have a cosine of 0 give or take 1 / sqrt(WIDTH) = 0.09. Whoever has something
better (a captioner's embedding of the film itself) gives its vectors to `Catalogue`; nothing else knows this file.
Source: K. Weinberger et al., "Feature hashing for large scale multitask learning", 2009; P. Bojanowski et al.,
"Enriching word vectors with subword information", 2017.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import numpy as np

WIDTH = 128
WORD = re.compile(r"[^\W_]+")
LIGHT = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "for",
        "from",
        "has",
        "in",
        "into",
        "is",
        "it",
        "its",
        "of",
        "off",
        "on",
        "onto",
        "or",
        "over",
        "that",
        "the",
        "their",
        "then",
        "there",
        "through",
        "to",
        "under",
        "up",
        "very",
        "was",
        "were",
        "while",
        "with",
    ]
)
PIECE_SHARE = 0.5  # of a word's weight that its pieces carry together
LONGEST = 64  # words of a text that count


def embed(text: str) -> np.ndarray:
    """Return the direction of a text, float32 `[WIDTH]` of length 1, or zeros for a text without words."""
    vector = np.zeros(WIDTH, np.float32)
    words = [word for word in WORD.findall(text.casefold()) if word not in LIGHT]
    for word in words[:LONGEST]:
        vector += _word(word)
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


@lru_cache(maxsize=50_000)
def _word(word: str) -> np.ndarray:
    """Return a word's own direction and its pieces', float32 `[WIDTH]`."""
    vector = np.zeros(WIDTH, np.float32)
    _add(vector, word, 1.0 - PIECE_SHARE)
    bounded = f"<{word}>"
    pieces = {bounded[i : i + n] for n in (3, 4) for i in range(len(bounded) - n + 1)}
    for piece in sorted(pieces):
        _add(vector, f"#{piece}", PIECE_SHARE / len(pieces) ** 0.5)
    vector.setflags(write=False)
    return vector


def _add(vector: np.ndarray, key: str, weight: float) -> None:
    """Add `weight` at four of a key's directions: more than one, so that two keys rarely meet whole."""
    first, second = zlib.crc32(key.encode()), zlib.crc32(key.encode(), 0x9E3779B9)
    for number in (first, first >> 16, second, second >> 16):
        vector[number % WIDTH] += weight / 2 if number & 0x80 else -weight / 2
