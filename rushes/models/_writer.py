"""The captioner's words: text as pieces, the decoder that writes behind what was seen, the tower that embeds text.

b batch, d width, m text tokens
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes.nn.attention import GatedMLP, join_heads, rms, split_heads

if TYPE_CHECKING:
    from rushes.models.captioner import CaptionerConfig

LENGTHS = ("short", "medium", "dense")
NUM_SEEN = 5  # tokens of what was seen: the answers to the captioner's questions


class Pieces:
    """Text to ids and back: known words whole, all others letter by letter, so that no text is out of reach."""

    PAD, END = 0, 1
    _TOKEN = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*|[.,:;!?]")

    def __init__(self, words: Sequence[str], length: int) -> None:
        letters = "abcdefghijklmnopqrstuvwxyz0123456789"
        inner = [f"+{c}" for c in letters + "'-"]
        self.pieces = ["", "", *".,:;!?", *(f"^{c}" for c in letters), *inner, *words]
        self.ids = {piece: index for index, piece in enumerate(self.pieces) if piece}
        self.length = length

    def encode(self, text: str) -> list[int]:
        """Return `length` ids, the end included; what does not fit is dropped."""
        ids: list[int] = []
        for word in self._TOKEN.findall(text.lower()):
            spelt = [word] if word in self.ids else [f"^{word[0]}", *(f"+{c}" for c in word[1:])]
            ids += [self.ids[piece] for piece in spelt]
        ids = [*ids[: self.length - 1], self.END]
        return ids + [self.PAD] * (self.length - len(ids))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text up to the end, lower case."""
        text = ""
        for index in ids:
            if index in (self.PAD, self.END):
                break
            piece = self.pieces[index]
            if piece.startswith("+"):
                text += piece[1:]
            elif piece in ".,:;!?":
                text += piece
            else:
                text += f" {piece.removeprefix('^')}"
        return text.strip()


class WriteBlock(nn.Module):
    """A causal block; `past` holds the keys and values of the tokens before, to which it adds its own."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp = GatedMLP(width, 2 * width)

    def forward(self, x: Tensor, past: list[Tensor] | None = None) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(rms(x)).chunk(3, dim=-1))
        q, k = rms(q), rms(k)
        is_causal = x.shape[1] > 1
        if past is not None:
            if past:
                k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
            past[:] = [k, v]
        x = x + self.out(join_heads(F.scaled_dot_product_attention(q, k, v, is_causal=is_causal)))
        return x + self.mlp(rms(x))


class Writer(nn.Module):
    """Writes from fields: a token per field, tokens of what was seen, the length, then word after word.

    Source: GIT (arXiv 2205.14100), a causal text decoder behind visual tokens; the fields before them are ours.
    """

    def __init__(self, config: CaptionerConfig, sizes: Sequence[int], num_pieces: int) -> None:
        super().__init__()
        d = config.width
        self.starts: Tensor
        self.register_buffer("starts", torch.tensor([0, *np.cumsum([n + 1 for n in sizes[:-1]])]), persistent=False)
        self.values = nn.Embedding(sum(n + 1 for n in sizes), d)
        self.roles = nn.Parameter(torch.randn(len(sizes), d) * 0.3)
        self.seen = nn.Linear(d, d)
        self.unseen = nn.Parameter(torch.randn(NUM_SEEN, d) * 0.3)
        self.lengths = nn.Embedding(len(LENGTHS), d)
        self.words = nn.Embedding(num_pieces, d)
        self.places = nn.Parameter(torch.randn(config.length, d) * 0.1)
        self.blocks = nn.ModuleList(WriteBlock(d, config.heads) for _ in range(config.text_depth))
        self.bias = nn.Parameter(torch.zeros(num_pieces))
        nn.init.normal_(self.words.weight, std=0.3)
        nn.init.normal_(self.values.weight, std=0.3)

    def prefix(self, values: Tensor, tokens: Tensor | None, lengths: Tensor) -> Tensor:
        """Return what comes before the words: `values [b v]` (0 unknown), `tokens [b 5 d]` or None, `lengths [b]`."""
        told = self.values(values + self.starts) + self.roles
        seen = self.unseen.expand(len(values), -1, -1) if tokens is None else self.seen(tokens)
        return torch.cat((told, seen, self.lengths(lengths)[:, None]), dim=1)

    def forward(self, prefix: Tensor, ids: Tensor) -> Tensor:
        """Return the logits `[b m pieces]` of every piece of `ids [b m]`."""
        said = self.words(ids[:, :-1]) + self.places[: ids.shape[1] - 1]
        x = torch.cat((prefix, said), dim=1)
        for block in self.blocks:
            x = block(x)
        return self.score(x[:, prefix.shape[1] - 1 :])

    def score(self, x: Tensor) -> Tensor:
        return 0.25 * rms(x) @ self.words.weight.mT + self.bias

    @torch.inference_mode()
    def write(self, prefix: Tensor) -> Tensor:
        """Return the likeliest ids `[b m]`, piece by piece."""
        pasts: list[list[Tensor]] = [[] for _ in self.blocks]
        x, said = prefix, []
        is_done = torch.zeros(len(prefix), dtype=torch.bool)
        for place in range(len(self.places)):
            for block, past in zip(self.blocks, pasts, strict=True):
                x = block(x, past)
            ids = self.score(x[:, -1]).argmax(1).masked_fill(is_done, Pieces.PAD)
            said.append(ids)
            is_done = is_done | (ids == Pieces.END)
            if bool(is_done.all()):
                break
            x = (self.words(ids) + self.places[place])[:, None]
        return torch.stack(said, dim=1)


class TextTower(nn.Module):
    """Pieces `[b m]` to unit embeddings `[b e]`, beside those of films."""

    def __init__(self, config: CaptionerConfig) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(config.length, config.width) * 0.1)
        self.block = WriteBlock(config.width, config.heads)
        self.out = nn.Linear(config.width, config.embedding)

    def forward(self, words: Tensor, ids: Tensor) -> Tensor:
        x = self.block(words + self.places[: ids.shape[1]])
        is_word = (ids > Pieces.END)[..., None]
        mean = (rms(x) * is_word).sum(1) / is_word.sum(1).clamp(min=1)
        return F.normalize(self.out(mean).float(), dim=-1)
