"""A dataset on disk, read: its sources, clips, what stages measured, what is kept and why the rest is not."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa

from rushes import config as configs
from rushes import registry, store
from rushes.data import select, settings
from rushes.data.decode import analysis_file
from rushes.data.decode.analysis import Analysis, Pictures, View, view
from rushes.data.ledger import Ledger, row_schema
from rushes.data.settings import CurateConfig
from rushes.data.stages import Stage
from rushes.errors import InputError, RushesError
from rushes.store import Store
from rushes.types import Clip, Span, VideoShape

HEAD = "dataset.json"
SOURCE_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("sha256", "uri")),
        ("num_bytes", pa.int64()),
        *((name, pa.string()) for name in ("licence", "provenance", "outcome", "reason", "container", "codec")),
        ("width_px", pa.int32()),
        ("height_px", pa.int32()),
        ("fps", pa.float64()),
        ("num_frames", pa.int64()),
        ("duration_s", pa.float64()),
        ("pix_fmt", pa.string()),
        ("rotation", pa.int32()),
        ("num_clips", pa.int32()),
    ]
)
CLIP_SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("source", pa.string()),
        *((name, pa.int64()) for name in ("start_num", "start_den", "end_num", "end_den")),
        ("duration_s", pa.float64()),
        ("frames", pa.int32()),
        ("height_px", pa.int32()),
        ("width_px", pa.int32()),
        ("fps", pa.float64()),
        ("fps_num", pa.int64()),
        ("fps_den", pa.int64()),
        ("codec", pa.string()),
        ("how", pa.string()),
        ("keyframes", pa.int32()),
        ("bits_per_pixel", pa.float64()),
        ("bucket", pa.string()),
        ("shard", pa.string()),
        ("offset", pa.int64()),
        ("num_bytes", pa.int64()),
    ]
)


def open_store(place: str | Path, *, must_exist: bool) -> Store:
    """Return the store that a dataset lies in; a missing folder is made unless it must exist.

    Raises:
        InputError: no such folder, or an unknown scheme.
    """
    if must_exist and "://" not in str(place) and not Path(place).is_dir():
        raise InputError(f"there is no dataset {str(place)!r}: no such folder")
    return store.at(str(place))


def read_head(kept: Store, place: str | Path) -> CurateConfig:
    """Return the config that the dataset was last filled by.

    Raises:
        InputError: no dataset lies there, or one of another format.
    """
    if HEAD not in kept.list(HEAD):
        raise InputError(f"{str(place)!r} is no dataset: it has no {HEAD}")
    try:
        head = json.loads(kept.get(HEAD))
        if head["format"] != settings.FORMAT:
            raise InputError(f"{str(place)!r} has format {head['format']}; this version reads {settings.FORMAT}")
        return configs.from_dict(CurateConfig, head["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise RushesError(f"{HEAD} of {str(place)!r} is damaged ({error})") from None


def clip_of(row: Mapping[str, Any]) -> Clip:
    """Return the clip that a row of `clips()` stands for."""
    return Clip(
        id=row["clip_id"],
        source=row["source"],
        span=Span(start_s=Fraction(row["start_num"], row["start_den"]), end_s=Fraction(row["end_num"], row["end_den"])),
        shape=VideoShape(frames=row["frames"], height=row["height_px"], width=row["width_px"]),
        fps=Fraction(row["fps_num"], row["fps_den"]),
    )


@dataclass(slots=True, eq=False)
class Dataset:
    """An open dataset; what it returns is what was committed when it was opened. `versions` are the stages' own.

    Clips and rows are those of the current settings: older clips (of other shot settings) stay on disk, unseen.
    """

    store: Store
    config: CurateConfig
    ledger: Ledger
    versions: Mapping[str, str] = field(default_factory=dict)
    extra_stages: Mapping[str, Stage] = field(default_factory=dict)
    _clips: pa.Table | None = None
    _index: dict[str, int] | None = None

    @classmethod
    def open(cls, place: str | Path) -> Dataset:
        """Open the dataset in a folder, or at a store's address.

        Raises:
            InputError: no dataset lies there, or one of another format.
            RushesError: it is damaged.
        """
        kept = open_store(place, must_exist=True)
        config = read_head(kept, place)
        versions = json.loads(kept.get(HEAD)).get("versions", {})
        return cls(store=kept, config=config, ledger=Ledger.open(kept), versions=versions)

    @property
    def cutting(self) -> str:
        """Return the key of the settings that clips depend on."""
        return settings.cutting_key(self.config)

    def sources(self) -> pa.Table:
        """Return one row per source (SOURCE_SCHEMA); one that was tried again has the row of its last try."""
        return _latest(self.ledger.tables(f"sources/{self.cutting}/", SOURCE_SCHEMA))

    def clips(self) -> pa.Table:
        """Return one row per clip (CLIP_SCHEMA), in the order in which they were packed."""
        if self._clips is None:
            self._clips = self.ledger.tables(f"clips/{self.cutting}/", CLIP_SCHEMA)
        return self._clips

    def clip(self, clip_id: str) -> Clip:
        """Return one clip.

        Raises:
            InputError: an unknown id; the nearest is named.
        """
        return clip_of(self._row(clip_id))

    def stages(self) -> dict[str, list[str]]:
        """Return the versions of each stage that measured the current clips, sorted."""
        found: dict[str, set[str]] = {}
        for path in self.ledger.paths("stages/"):
            name, cutting = path.split("/")[1:3]
            if cutting == self.cutting:
                stage, _, version = name.partition("@")
                found.setdefault(stage, set()).add(version)
        return {stage: sorted(versions) for stage, versions in sorted(found.items())}

    def rows(self, stage: str, version: str | None = None) -> pa.Table:
        """Return a stage's rows of the current clips; without a version, that of the preset's setting.

        Raises:
            InputError: the stage or the version has measured nothing here; the known ones are listed.
        """
        known = self.stages()
        if stage not in known:
            near = difflib.get_close_matches(stage, known, n=1)
            raise InputError(
                f"no rows of stage {stage!r} here"
                + (f"; the nearest is {near[0]!r}" if near else "")
                + f"; known: {', '.join(known) or 'none'}"
            )
        version = version if version is not None else self._version(stage, known[stage])
        if version not in known[stage]:
            raise InputError(f"stage {stage!r} has no version {version!r} here; known: {', '.join(known[stage])}")
        paths = self.ledger.paths(f"stages/{stage}@{version}/{self.cutting}/")
        tables = [self.ledger.table(path) for path in paths]
        return pa.concat_tables(tables)

    def _version(self, stage: str, known: Sequence[str]) -> str:
        """Return the version that the preset's setting gives; of a stage that it no longer names, the last by name."""
        if stage not in self.config.stages:
            return known[-1]
        if stage in self.versions:
            return self.versions[stage]
        found = self.extra_stages.get(stage) or registry.find("data.stages", stage)
        return found.version(self.config.stages[stage])

    def current_rows(self) -> dict[str, pa.Table]:
        """Return the rows of every stage that the preset names and that has measured clips, by stage."""
        return {stage: self.rows(stage, version) for stage, version in self._current_versions().items()}

    def _current_versions(self) -> dict[str, str]:
        known = self.stages()
        return {
            stage: version
            for stage in self.config.stages
            if stage in known and (version := self._version(stage, known[stage])) in known[stage]
        }

    def selection_path(self) -> str:
        """Return where the selection of the present rows by the present cuts is kept."""
        used = [*self.ledger.paths(f"clips/{self.cutting}/"), *self.ledger.paths(f"sources/{self.cutting}/")]
        known = self.stages()
        for stage in self.config.stages:
            if stage in known:
                version = self._version(stage, known[stage])
                used += self.ledger.paths(f"stages/{stage}@{version}/{self.cutting}/")
        content = [(path, self.ledger.entries[path].sha256) for path in used]
        chosen = [list(self.config.select.cuts), settings.plain(self.config.select)]  # the order of cuts matters
        return f"selection/{settings.key([chosen, content])}.parquet"

    def selection(self) -> pa.Table:
        """Return which clips are kept, one row each in the order of `clips()` (columns: `select.SCHEMA`).

        It is read where the last run kept it, else worked out.

        Raises:
            InputError: a cut of the preset is no legal expression.
        """
        path = self.selection_path()
        return self.ledger.table(path) if path in self.ledger.entries else self.select()

    def select(self) -> pa.Table:
        """Work the selection out from the rows."""
        versions = self._current_versions()
        hashed = versions.pop("hash", None)  # large, and of no use to cuts
        rows = {stage: self.rows(stage, version) for stage, version in versions.items()}
        clips, sources = self.clips(), self.sources()
        table = select.measured(clips, self._with_empty(rows), sources)
        vectors = select.embeddings_of(rows, self.config.select.embedding)
        twins = None
        if hashed is not None:
            paths = self.ledger.paths(f"stages/hash@{hashed}/{self.cutting}/")
            parts = (self.ledger.table(path, ["clip_id", "means"]) for path in paths)
            twins = select.duplicates_among(clips, parts, vectors, self.config.select.dedup)
        return select.select(table, self.config.select, duplicates=twins, embeddings=vectors)

    def _with_empty(self, rows: dict[str, pa.Table]) -> dict[str, pa.Table]:
        """Return the rows, with an empty table for each stage that has measured nothing yet: its columns are known."""
        missing = {name for name in self.config.stages if name not in rows}
        found = {name: self.extra_stages.get(name) or registry.find("data.stages", name) for name in sorted(missing)}
        return {**rows, **{name: row_schema(stage.columns).empty_table() for name, stage in found.items()}}

    def funnel(self) -> dict[str, Any]:
        """Return how many clips were seen and kept, how many each reason dropped, and how sources ended."""
        outcomes: dict[str, int] = {}
        for outcome in self.sources()["outcome"].to_pylist():
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        return {**select.funnel(self.selection()), "sources": dict(sorted(outcomes.items()))}

    def read_clip(self, clip_id: str) -> bytes:
        """Return a clip as the bytes of an mp4 file, read from its place in its shard.

        Raises:
            InputError: an unknown id; the nearest is named.
            RushesError: the shard is cut short.
        """
        return self.read_row(self._row(clip_id))

    def read_row(self, row: Mapping[str, Any]) -> bytes:
        """Return the mp4 of the clip of a row of `clips()`; it needs shard, offset and num_bytes."""
        content = self.store.get(row["shard"], start=row["offset"], length=row["num_bytes"])
        if len(content) != row["num_bytes"]:
            raise RushesError(f"{row['shard']} is cut short; {row['num_bytes']} bytes are missing from {row['offset']}")
        return content

    def analysis(self, source: str) -> Analysis:
        """Return what the decode of a source (its SHA-256) left behind.

        Raises:
            InputError: that source has none.
        """
        path = analysis_path(self.config, source)
        if path not in self.ledger.entries:
            raise InputError(f"source {source!r} has no analysis here")
        return analysis_file.from_bytes(self.store.get(path))

    def view(self, clip_id: str) -> View:
        """Return what stages see of a clip."""
        clip = self.clip(clip_id)
        return view(clip, self.analysis(clip.source))

    def pictures(self, clip_id: str) -> Pictures:
        """Return the small pictures of a clip."""
        return self.view(clip_id).analysis.pictures

    def digest(self) -> str:
        """Return 64 hexadecimal digits that stand for all committed content, whatever the history of runs."""
        return self.ledger.digest()

    def _row(self, clip_id: str) -> dict[str, Any]:
        if self._index is None:
            self._index = {name: i for i, name in enumerate(self.clips()["clip_id"].to_pylist())}
        if clip_id not in self._index:
            near = difflib.get_close_matches(clip_id, self._index, n=1, cutoff=0.0)
            raise InputError(f"there is no clip {clip_id!r}" + (f"; the nearest is {near[0]!r}" if near else ""))
        return self.clips().slice(self._index[clip_id], 1).to_pylist()[0]


def analysis_path(config: CurateConfig, source: str) -> str:
    """Return the key under which the analysis of a source is kept."""
    return f"analysis/{settings.analysis_key(config)}/{source[:2]}/{source}.arrow"


def _latest(table: pa.Table) -> pa.Table:
    """Return the table with only the last row of each source; rows without a SHA-256 are told apart by address."""
    last: dict[tuple[str, str], int] = {}
    for index, (sha, uri) in enumerate(zip(table["sha256"].to_pylist(), table["uri"].to_pylist(), strict=True)):
        last[(sha, uri)] = index
    return table if len(last) == table.num_rows else table.take(pa.array(sorted(last.values()), pa.int64()))
