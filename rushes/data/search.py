"""Search: which clips are most like an embedding, exactly and in little memory, or have given words in a caption."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rushes.data import scan
from rushes.data.dataset import Dataset
from rushes.errors import InputError

CAPTION_COLUMNS = ("short", "medium", "dense", "caption", "text")
STOP_WORDS = frozenset(re.findall(r"\w+", "a an and are at by for from in into is it of on or over the to with"))
_WORD = re.compile(r"\w+(?:['-]\w+)*")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Hit:
    """A clip that was found: a cosine in [-1, 1], or the weight in [0, 1] of the query's words that it has."""

    score: float
    clip_id: str
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Where to look: one version of a stage, and its columns of captions, shortest first."""

    stage: str
    version: str
    captions: tuple[str, ...]
    has_embedding: bool


def captioned(data: Dataset) -> list[Rows]:
    """Return the stages that wrote captions or embeddings of the current clips, those with embeddings first.

    Raises:
        RushesError: a file of the dataset is damaged.
    """
    found = []
    for stage, versions in data.stages().items():
        for version in reversed(versions):
            schema = scan.columns(data, stage, version)
            captions = tuple(n for n in CAPTION_COLUMNS if n in schema.names and schema.field(n).type == pa.string())
            has_embedding = "embedding" in schema.names
            if captions or has_embedding:
                rows = Rows(stage=stage, version=version, captions=captions, has_embedding=has_embedding)
                found.append(rows)
    return sorted(found, key=lambda rows: (not rows.has_embedding, not rows.captions))


def kept_ids(data: Dataset) -> pa.Array:
    """Return the ids of the clips that are kept."""
    selection = data.selection()
    return selection.filter(selection["kept"])["clip_id"].combine_chunks()


def nearest(data: Dataset, query: np.ndarray, rows: Rows, *, num: int = 12, among: pa.Array | None = None) -> list[Hit]:
    """Return the `num` clips whose embedding has the largest cosine with `query` (float32 `[e]`), best first.

    Every embedding is compared, a block at a time. `among` narrows the search to some clip ids; equal scores are in
    the order of their ids.

    Raises:
        InputError: `num` below 1, a query that is zero or of another width than the embeddings.
        RushesError: a file of the dataset is damaged.
    """
    _require(num)
    norm = float(np.linalg.norm(query))
    if not norm > 0:
        raise InputError("the query's embedding is zero; say what the clip shows in other words")
    unit, best = np.asarray(query, np.float32) / norm, _Best(num)
    for block in _among(data, rows, ["embedding", *rows.captions[:1]], among):
        block = block.filter(pc.is_valid(block["embedding"]))
        if not block.num_rows:
            continue
        widths = np.unique(pc.list_value_length(block["embedding"]).to_numpy(zero_copy_only=False))
        if widths.tolist() != [len(unit)]:
            there = ", ".join(str(width) for width in widths)
            raise InputError(f"the query's embedding has {len(unit)} numbers, those of {rows.stage} have {there}")
        values = pc.list_flatten(block["embedding"]).to_numpy(zero_copy_only=False)
        vectors = values.astype(np.float32).reshape(block.num_rows, -1)
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
        best.add(block, vectors @ unit / lengths, rows.captions[:1])
    return best.sorted()


def matching(data: Dataset, text: str, rows: Rows, *, num: int = 12, among: pa.Array | None = None) -> list[Hit]:
    """Return the `num` clips whose captions hold most of the words of `text`, best first; clips with none are left out.

    Rare words weigh more, as log(1 + clips / clips with the word); words like `the` count only where there are no
    others, and a plain plural counts as its singular.
    Source: Sparck Jones, "A statistical interpretation of term specificity", 1972 (inverse document frequency).

    Raises:
        InputError: `num` below 1, or a text without a word.
        RushesError: a file of the dataset is damaged.
    """
    _require(num)
    wanted = sorted(set(words(text)) - STOP_WORDS) or sorted(set(words(text)))
    if not wanted:
        raise InputError(f"{text!r} has no word to look for; say what the clip shows, for instance 'a boat at sunset'")
    matches: list[tuple[str, str, frozenset[str]]] = []
    num_clips, counts = 0, Counter[str]()
    for block in _among(data, rows, rows.captions, among):
        num_clips += block.num_rows
        for row in block.to_pylist():
            said = {word for name in rows.captions for word in words(row[name] or "")}
            hit = frozenset(said.intersection(wanted))
            if hit:
                counts.update(hit)
                matches.append((row["clip_id"], row[rows.captions[0]] or "", hit))
    weights = {word: log(1 + num_clips / max(1, counts[word])) for word in wanted}
    total = sum(weights.values())
    hits = (
        Hit(score=sum(weights[word] for word in sorted(hit)) / total, clip_id=clip_id, caption=caption)
        for clip_id, caption, hit in matches
    )
    return heapq.nsmallest(num, hits, key=lambda hit: (-hit.score, hit.clip_id))


def words(text: str) -> list[str]:
    """Return the words of a text in small letters, a plain plural as its singular."""
    found = _WORD.findall(text.lower())
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in found]


def _require(num: int) -> None:
    if num < 1:
        raise InputError(f"num {num} is illegal; the nearest legal value is 1")


def _among(data: Dataset, rows: Rows, names: Sequence[str], among: pa.Array | None) -> Iterator[pa.RecordBatch]:
    """Yield blocks of clip ids and columns of the clips that were measured."""
    for block in scan.blocks(data, rows.stage, rows.version, ["clip_id", "outcome", *names]):
        block = block.filter(pc.equal(block["outcome"], "ok"))
        yield block if among is None else block.filter(pc.is_in(block["clip_id"], value_set=among))


class _Best:
    """The best hits so far."""

    def __init__(self, num: int) -> None:
        self._num = num
        self._found: list[tuple[float, str, str]] = []

    def add(self, block: pa.RecordBatch, scores: np.ndarray, captions: Sequence[str]) -> None:
        """Take in one block; only rows that can be among the best are turned into Python values."""
        order = np.argsort(-scores, kind="stable")
        # Ties with the last one stay, so that the order of ids decides and not the order of files.
        least = scores[order[min(self._num, len(order)) - 1]]
        for index in order[scores[order] >= least].tolist():
            caption = (block[captions[0]][index].as_py() or "") if captions else ""
            self._found.append((-float(scores[index]), block["clip_id"][index].as_py(), caption))
        self._found = heapq.nsmallest(self._num, self._found)

    def sorted(self) -> list[Hit]:
        return [Hit(score=-score, clip_id=clip_id, caption=caption) for score, clip_id, caption in self._found]
