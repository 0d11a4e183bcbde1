"""Score a captioner on scenes of the paper world, whose every fact is known: fields, coverage, invented facts.

Films go the way that footage goes: drawn at 320x180, kept as JPEG, made small. Half of them show a pair of kind and
colour or of kind and place that training never showed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rushes.data.banks.caption_rows import CaptionRows
from rushes.data.banks.spoiling import draw_tags, spoil
from rushes.data.captioning.looking import detail, fit, to_jpeg, unpack
from rushes.data.captioning.sentences import Fields, fields_of
from rushes.models._fields import FIELDS, SUBJECT_FIELDS, TAGS
from rushes.models._rewrite import read
from rushes.models._writer import LENGTHS
from rushes.models.captioner import NUM_FRAMES, Captioner, Description, reading_times
from rushes.world import vocabulary as v
from rushes.world.scene import from_dict, split_of

SEED = 977
BATCH = 8
BARS = {**dict.fromkeys((*FIELDS, "quality"), 0.95), "relation": 0.90, "count": 0.90}
INVENTED_BAR = 0.03
_SPOILT = 0.1


@dataclass(slots=True, kw_only=True)
class Tally:
    """How often something was asked, answered rightly, said at all, and said wrongly."""

    asked: int = 0
    right: int = 0
    said: int = 0
    wrong: int = 0

    @property
    def accuracy(self) -> float:
        return self.right / max(self.asked, 1)

    @property
    def coverage(self) -> float:
        return self.said / max(self.asked, 1)


@dataclass(slots=True, kw_only=True)
class CaptionScores:
    """`fields[split][name]`, where split is seen or held out; `facts[name]` of what sentences and fields state.

    A field's `right` counts the likeliest answer, however unsure; `said` and `wrong` only what was sure enough.
    """

    num: int
    clips_per_s: float = 0.0
    fields: dict[str, dict[str, Tally]] = field(default_factory=dict)
    facts: dict[str, Tally] = field(default_factory=dict)

    def add(self, split: str, name: str) -> Tally:
        return self.fields.setdefault(split, {}).setdefault(name, Tally())


def score(
    captioner: Captioner,
    num: int,
    *,
    seed: int = SEED,
    least: float = 0.5,
    watch: Callable[[int, int], None] | None = None,
) -> CaptionScores:
    """Return how well a captioner describes `num` films that nobody trained on; facts under `least` are not said."""
    scores, spent = CaptionScores(num=num), 0.0
    rows = CaptionRows(height=180, width=320, seed=seed, held_out_share=0.5)
    for start in range(0, num, BATCH):
        films, truths, splits = _films(rows, range(start, min(start + BATCH, num)))
        began = time.perf_counter()
        said = captioner.describe(*films, least=least)
        spent += time.perf_counter() - began
        sure = captioner.describe(*films, least=0.0)
        for truth, split, one, best in zip(truths, splits, said, sure, strict=True):
            _count(scores, split, truth, one, best)
        if watch:
            watch(min(start + BATCH, num), num)
    scores.clips_per_s = num / spent
    return scores


def _films(rows: CaptionRows, indices: range) -> tuple[tuple[Tensor, ...], list[Fields], list[str]]:
    """Return what `describe` is shown of films, their fields, and of each whether it is held out."""
    films, details, truths, splits, times, durations, tags = [], [], [], [], [], [], []
    rng = np.random.default_rng((rows.seed, indices.start, 1))
    for index in indices:
        arrays, values = rows(index)
        scene = from_dict(values["scene"])
        tags.append(draw_tags(rng, _SPOILT))
        seen = [unpack(to_jpeg(frame)) for frame in arrays["frames"]]
        films.append(np.stack([fit(frame) for frame in seen]))
        details.append(detail(seen[NUM_FRAMES // 2]))
        truths.append(fields_of(scene, arrays["boxes"], tags[-1]))
        splits.append("held out" if split_of(scene) == "test" else "seen")
        times.append(reading_times(scene.duration_s))
        durations.append(scene.duration_s)
    frames = torch.from_numpy(np.stack(films)).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    parts = torch.from_numpy(np.stack(details)).permute(0, 3, 1, 2).float() / 127.5 - 1
    shown = (
        spoil(frames, tags, rng),
        torch.from_numpy(np.stack(times)).float(),
        torch.tensor(durations),
        spoil(parts[:, None], tags, rng, scale=2)[:, 0],
    )
    return shown, truths, splits


def _count(scores: CaptionScores, split: str, truth: Fields, said: Description, best: Description) -> None:
    for name, wanted, answer, sure in _pairs(truth, best.fields, said.fields):
        tally = scores.add(split, name)
        tally.asked += 1
        tally.right += answer == wanted
        tally.said += sure is not None
    stated = {"fields": _facts_of(said.fields)}
    for length in LENGTHS:
        stated[length] = _facts_in(said.sentences[length])
    for name, facts in stated.items():
        tally = scores.facts.setdefault(name, Tally())
        wrong = min(_num_wrong(facts, _facts_of(one)) for one in _orders(truth))
        tally.said += len(facts)
        tally.wrong += wrong


def _pairs(truth: Fields, best: Fields, said: Fields) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield (field, truth, likeliest answer, what was said) of all that a film lets anyone see."""
    orders = _orders(truth)
    truth = max(orders, key=lambda one: _num_same(one, best))
    for index, wanted in enumerate(truth["subjects"]):
        answers, sure = (one["subjects"][index] if index < len(one["subjects"]) else {} for one in (best, said))
        for name in SUBJECT_FIELDS:
            if wanted[name] is not None:
                yield name, wanted[name], answers.get(name), sure.get(name)
    for name in FIELDS[len(SUBJECT_FIELDS) :]:
        is_given = (name == "time" and truth["place"] == "space") or (
            name == "weather" and truth["place"] in v.CALM_PLACES
        )
        if not is_given:
            yield name, truth[name], best[name], said[name]
    for tag in TAGS:
        yield "quality", tag in truth["quality"], tag in best["quality"], tag in said["quality"]


def _orders(truth: Fields) -> list[Fields]:
    """Of two subjects that pass each other either may be told first."""
    if truth["relation"] != "passes":
        return [truth]
    return [truth, {**truth, "subjects": truth["subjects"][::-1]}]


def _num_same(a: Fields, b: Fields) -> int:
    pairs = zip(a["subjects"], b["subjects"], strict=False)
    return sum(one[name] == other[name] for one, other in pairs for name in SUBJECT_FIELDS)


def _facts_of(fields: Fields) -> set[tuple[str, Any]]:
    """Return the facts that fields state, as (name, value)."""
    facts = {
        (f"{index}.{name}", subject[name])
        for index, subject in enumerate(fields["subjects"])
        for name in SUBJECT_FIELDS
        if subject.get(name) is not None
    }
    facts |= {(name, fields[name]) for name in FIELDS[len(SUBJECT_FIELDS) :] if fields.get(name) is not None}
    return facts | {("quality", tag) for tag in fields["quality"]}


def _facts_in(sentence: str) -> set[tuple[str, Any]]:
    """Return the facts that a sentence states; words that belong to no field are facts that nobody can check."""
    named = read(sentence)
    facts = {
        (f"{index}.{name}", value)
        for index, subject in enumerate(named.subjects)
        for name in SUBJECT_FIELDS
        if (value := getattr(subject, name)) is not None
    }
    facts |= {(name, value) for name, value in named.film.items() if name in FIELDS}
    facts |= {("quality", tag) for tag in named.quality}
    return facts | {("word", word) for word in named.others}


def _num_wrong(stated: set[tuple[str, Any]], true: set[tuple[str, Any]]) -> int:
    return len(stated - true)


def as_rows(scores: CaptionScores) -> list[dict[str, Any]]:
    """Return the scores as plain JSON values, a row per field and per kind of statement, with its bar."""
    rows = []
    for split, fields in sorted(scores.fields.items()):
        for name in (*FIELDS, "quality"):
            if tally := fields.get(name):
                bar = BARS[name]
                rows.append(
                    {
                        "what": f"{split}: {name}",
                        "score": tally.accuracy,
                        "coverage": tally.coverage,
                        "num": tally.asked,
                        "bar": bar,
                        "is_met": tally.accuracy >= bar,
                    }
                )
    for name, tally in scores.facts.items():
        share = tally.wrong / max(tally.said, 1)
        rows.append(
            {
                "what": f"invented in {name}",
                "score": share,
                "coverage": None,
                "num": tally.said,
                "bar": INVENTED_BAR,
                "is_met": share <= INVENTED_BAR,
            }
        )
    return rows
