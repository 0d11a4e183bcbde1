"""What banks hold of a curated dataset for distillation: clips as the captioner sees them, and what a teacher said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rushes.data.banks.bank import Row
from rushes.data.captioning.looking import show_clip
from rushes.data.dataset import Dataset
from rushes.errors import InputError
from rushes.models._rewrite import read

STAGE = "teacher"
TEXTS = ("short", "medium", "dense")
_FILM = ("place", "time", "weather", "camera", "shot", "style")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherRows:
    """Kept clips that a teacher described: frames uint8 `[10 H W 3]`, times float32 `[10]`; texts and fields.

    Indices past the last clip begin again, for a bank has whole chunks. `version` is the teacher's in the ledger.
    """

    dataset: str
    version: str

    def __call__(self, index: int) -> Row:
        data, told = _opened(self.dataset, self.version)
        clip_id, row = told[index % len(told)]
        shown = show_clip(data.view(clip_id))
        texts = {name: row[name] for name in TEXTS}
        fields = known(json.loads(row["fields"]))
        return (
            {"frames": shown.frames, "times": shown.times_s},
            {"clip": clip_id, "duration_s": shown.duration_s, "texts": texts, "fields": fields},
        )


def newest(dataset: str) -> tuple[str, int]:
    """Return the newest version of a dataset's teacher, and how many kept clips it described.

    Raises:
        InputError: no dataset, or no teacher has described a clip that is kept.
    """
    versions = Dataset.open(dataset).stages().get(STAGE, [])
    if not versions:
        raise InputError(f"no teacher has described {dataset}; curate it with the stage {STAGE!r} first")
    num = len(_opened(dataset, versions[-1])[1])
    if not num:
        raise InputError(f"teacher {versions[-1]} described no clip of {dataset} that is kept")
    return versions[-1], num


@lru_cache(maxsize=2)
def _opened(dataset: str, version: str) -> tuple[Dataset, list[tuple[str, dict[str, Any]]]]:
    data = Dataset.open(dataset)
    kept = {row["clip_id"] for row in data.selection().to_pylist() if row["kept"]}
    rows = data.rows(STAGE, version).to_pylist()
    return data, [(row["clip_id"], row) for row in rows if row["outcome"] == "ok" and row["clip_id"] in kept]


def known(said: dict[str, Any]) -> dict[str, Any]:
    """Return what of a teacher's fields the captioner has words for: its own form, all else None.

    A teacher says which subject is which in no order that pictures show, so two subjects teach nothing but texts.
    """
    fields: dict[str, Any] = {name: read(said.get(name, "")).film.get(name) for name in _FILM}
    subjects = said.get("subjects", [])
    one: dict[str, Any] = dict.fromkeys(("kind", "colour", "size", "motion", "direction"))
    if len(subjects) == 1:
        for name in one:
            named = read(subjects[0].get(name, "")).subjects
            # A colour or size alone describes "something".
            named = named or read(f"something {subjects[0].get(name, '')}").subjects
            one[name] = getattr(named[0], name) if named else None
    return {"subjects": [one], "count": None, "relation": None, **fields, "quality": []}
