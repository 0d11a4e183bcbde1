"""Which captions of a dataset training reads: one version of a stage, some of its columns, a few texts per clip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from rushes.data.dataset import Dataset
from rushes.errors import InputError, nearest_first


@dataclass(frozen=True, slots=True, kw_only=True)
class Captions:
    """The texts of each clip, by clip, from `stage@version`; a clip that it says nothing of is absent."""

    stage: str
    version: str
    texts: dict[str, tuple[str, ...]]

    def digest(self) -> str:
        """Return 64 hexadecimal digits that stand for every word."""
        lines = (f"{clip_id}\0{chr(0).join(texts)}\n" for clip_id, texts in sorted(self.texts.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def choose(data: Dataset, clip_ids: Sequence[str], stage: str, version: str, columns: Sequence[str]) -> Captions:
    """Return the captions of some clips; without a version, those of the newest that has a row of every clip.

    Raises:
        InputError: an unknown stage, version or column, or no version that has all clips; what there is, is named.
    """
    known = data.stages()
    if stage not in known:
        raise InputError(f"the dataset has no captions {stage!r}; it has {nearest_first(stage, known) or 'no stage'}")
    if version and version not in known[stage]:
        raise InputError(f"{stage} has no version {version!r} here; known: {nearest_first(version, known[stage])}")
    version = version or _newest_complete(data, clip_ids, stage)
    table = data.rows(stage, version)
    for column in columns:
        if column not in table.column_names:
            raise InputError(f"{stage} has no column {column!r}; known: {nearest_first(column, table.column_names)}")
    wanted = set(clip_ids)
    texts = {}
    for row in table.select(["clip_id", "outcome", *columns]).to_pylist():
        said = tuple(dict.fromkeys(row[name].strip() for name in columns if row[name] and row[name].strip()))
        if row["clip_id"] in wanted and row["outcome"] == "ok" and said:
            texts[row["clip_id"]] = said
    return Captions(stage=stage, version=version, texts=texts)


def versions(data: Dataset, stage: str) -> list[str]:
    """Return the versions of a stage in the order in which the dataset got them, the newest last."""
    order: dict[str, bool] = {}
    for path in data.ledger.entries:  # in the order of their commits
        name, _, cutting = path.removeprefix("stages/").rpartition("/")[0].partition("/")
        if path.startswith("stages/") and name.startswith(f"{stage}@") and cutting == data.cutting:
            version = name.partition("@")[2]
            order.pop(version, None)
            order[version] = True
    return list(order)


def _newest_complete(data: Dataset, clip_ids: Sequence[str], stage: str) -> str:
    wanted, have = set(clip_ids), dict[str, int]()
    for version in reversed(versions(data, stage)):
        have[version] = len(wanted & set(data.rows(stage, version)["clip_id"].to_pylist()))
        if have[version] == len(wanted):
            return version
    said = ", ".join(f"{version} has {num}" for version, num in have.items())
    raise InputError(
        f"no version of {stage} has all {len(wanted)} kept clips ({said}); curate again, or name a version"
    )
