"""The text encoder: a closed vocabulary of whole words and a small transformer over them, learned with the film model.

b batch, n text tokens (always `length`; unused places hold the null word), d width
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rushes.models import Family
from rushes.nn.attention import GatedMLP, SelfAttention, rms

NULL = 0  # the word that fills unused places, and the whole of an empty prompt
UNKNOWN = 1
WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextConfig:
    """`words` in id order, after the null and the unknown word; `length` is the number of text tokens."""

    words: tuple[str, ...] = ()
    length: int = 32
    width: int = 256
    depth: int = 2
    heads: int = 4


class Vocabulary:
    """Words to ids and back; names the words of a prompt that were never taught."""

    def __init__(self, words: tuple[str, ...], length: int) -> None:
        self.ids = {word: index + 2 for index, word in enumerate(words)}
        self.length = length

    def split(self, text: str) -> list[str]:
        """Return the words of `text` in lower case; one with hyphens stays whole only if it was taught whole."""
        found = WORD.findall(text.lower())
        return [part for word in found for part in ([word] if word in self.ids else word.split("-"))]

    def encode(self, text: str) -> list[int]:
        """Return `length` ids; words past the end are dropped (`overflow` names them)."""
        ids = [self.ids.get(word, UNKNOWN) for word in self.split(text)][: self.length]
        return ids + [NULL] * (self.length - len(ids))

    def overflow(self, text: str) -> list[str]:
        """Return the words that do not fit."""
        return self.split(text)[self.length :]

    def unknown(self, text: str) -> list[str]:
        """Return the words of `text` that were never taught, in order, once each."""
        return list(dict.fromkeys(word for word in self.split(text) if word not in self.ids))

    def nearest(self, word: str) -> str | None:
        """Return the taught word spelt most like `word`, or None when none is close."""
        close = difflib.get_close_matches(word, self.ids, n=1, cutoff=0.75)
        return close[0] if close else None


class TextEncoder(nn.Module):
    """Word ids `[b n]` to text tokens `[b n d]`; no mask, since the null word is a token like any other."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.words = nn.Embedding(len(config.words) + 2, config.width)
        self.places = nn.Parameter(torch.randn(config.length, config.width) * 0.1)
        self.blocks = nn.ModuleList(TextBlock(config) for _ in range(config.depth))
        nn.init.normal_(self.words.weight, std=0.5)

    def forward(self, ids: Tensor) -> Tensor:
        tokens = self.words(ids) + self.places
        for block in self.blocks:
            tokens = block(tokens)
        return rms(tokens)


class TextBlock(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config.width, config.heads)
        self.mlp = GatedMLP(config.width, config.width * 2)
        nn.init.zeros_(self.attention.out.weight)
        nn.init.zeros_(self.mlp.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(rms(x))
        return x + self.mlp(rms(x))


def tiny() -> TextConfig:
    """Return a config for tests: three words, four text tokens."""
    return TextConfig(words=("cat", "left", "red"), length=4, width=16, depth=1, heads=1)


SPEC = Family(name="text", config=TextConfig, model=TextEncoder, full=TextConfig, tiny=tiny)
