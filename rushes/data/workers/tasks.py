"""What workers do: a source becomes clips, the clips of a source become rows. Plain functions for any runner."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from rushes import registry, store
from rushes.data import buckets, settings, shots
from rushes.data.dataset import analysis_path, clip_of
from rushes.data.decode import analysis_file
from rushes.data.decode.analysis import Analysis, analyse, view
from rushes.data.intake import sources as intake
from rushes.data.ledger import Entry, digest_of, row_schema, rows_to_table
from rushes.data.packing.cut import Cut, cut
from rushes.data.settings import CurateConfig
from rushes.data.shards import ShardWriter
from rushes.data.stages import Measure, Stage
from rushes.data.workers.pool import Beat
from rushes.errors import InputError, RushesError
from rushes.media import metadata
from rushes.media.probe import probe
from rushes.store import Store
from rushes.types import Source

MEASURED_AT_ONCE = 16
_MAX_REASON = 500


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SourceTask:
    """One source to analyse and cut, for the dataset at `place`."""

    place: str
    source: Source
    config: CurateConfig


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MeasureTask:
    """Clips of one source (rows of `clips()`) that stages are to measure: (name, setting, version) each.

    `extra` are stages that are no files of `rushes/data/stages`, by name.
    """

    place: str
    config: CurateConfig
    part: str
    source: str
    clips: tuple[Mapping[str, Any], ...]
    stages: tuple[tuple[str, str, str], ...]
    extra: Mapping[str, Stage] = dataclasses.field(default_factory=dict)


def work_path(config: CurateConfig, source: str, suffix: str) -> str:
    """Return the key of a finished source that is not packed yet: its clips (`tar`) or what became of it (`json`)."""
    return f"work/{settings.cutting_key(config)}/{source}.{suffix}"


def curate_source(task: SourceTask, beat: Beat) -> dict[str, Any]:
    """Analyse a source unless its analysis is kept, cut it, and leave the clips under `work/` in the dataset.

    What became of it (the row of the source, the rows of its clips, the entry of its analysis) is put last, and
    returned. A source that cannot be read is an outcome, not an error.

    Raises:
        RushesError: the dataset cannot be written: the run cannot go on.
    """
    kept, folder = store.at(task.place), _scratch(task.place)
    done: dict[str, Any] = {"source": source_row(task.source), "clips": [], "analysis": None}
    with tempfile.TemporaryDirectory(dir=folder, prefix="work-") as name:
        try:
            with intake.as_file(task.source.uri, Path(name)) as path:
                _require_unchanged(path, task.source)
                _require_decodable(path)
                analysis, entry = _analysed(task, kept, path, beat)
                done["analysis"] = dataclasses.asdict(entry)
                done["source"].update(_probed(analysis))
                cuts, problems = _cut(task, analysis, path, Path(name), beat)
            done["clips"] = _pack(task, kept, cuts, Path(name))
            done["source"].update(_ended(analysis, len(cuts), problems))
        except _UnreadableError as error:
            done["source"].update(outcome="unreadable", reason=_short(error))
        except InputError as error:
            done["source"].update(outcome="refused", reason=_short(error))
    kept.put(work_path(task.config, task.source.sha256, "json"), json.dumps(done, sort_keys=True).encode())
    return done


class _UnreadableError(Exception):
    """The source is no longer what intake saw."""


def source_row(source: Source, *, outcome: str = "", reason: str = "") -> dict[str, Any]:
    """Return the row of a source about which nothing else is known."""
    row = {name: getattr(source, name) for name in ("sha256", "uri", "num_bytes", "licence", "provenance")}
    return {**row, "outcome": outcome, "reason": reason[:_MAX_REASON], "num_clips": 0}


def _short(error: object) -> str:
    return " ".join(str(error).split())[:_MAX_REASON]


def _scratch(place: str) -> Path | None:
    """Return where half-made clips lie: in the dataset's own folder, so that a full disk is found there, else /tmp."""
    if "://" in place:
        return None
    folder = Path(place) / "work"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _require_unchanged(path: Path, source: Source) -> None:
    size = path.stat().st_size
    if size != source.num_bytes:
        raise _UnreadableError(f"it changed since it was taken in: {size} bytes, not {source.num_bytes}")


def _require_decodable(path: Path) -> None:
    """Name the one film that FFmpeg takes for a damaged still."""
    if path.stat().st_size and metadata.sniff(path) == "webp" and not probe(path).is_still:
        raise InputError("it is an animated WebP, which FFmpeg cannot read; the nearest legal form is a GIF or an mp4")


def _analysed(task: SourceTask, kept: Store, path: Path, beat: Beat) -> tuple[Analysis, Entry]:
    key = analysis_path(task.config, task.source.sha256)
    if key in kept.list(key):
        content = kept.get(key)
        analysis = analysis_file.from_bytes(content)
    else:
        analysis = analyse(path, config=task.config.analysis, watch=_Watch(beat))
        if analysis.probe.is_still:
            raise InputError("it is a still, not a film")
        content = analysis_file.to_bytes(analysis)
        kept.put(key, content)
    rows = len(analysis.times_s)
    return analysis, Entry(path=key, kind="analysis", rows=rows, sha256=digest_of(content), num_bytes=len(content))


class _Watch:
    """Turns the number of frames so far into beats."""

    def __init__(self, beat: Beat) -> None:
        self._beat, self._before = beat, 0

    def __call__(self, num_frames: int, seconds: float) -> None:
        self._beat(num_frames - self._before)
        self._before = num_frames


def _cut(task: SourceTask, analysis: Analysis, path: Path, folder: Path, beat: Beat) -> tuple[list[Cut], list[str]]:
    spans = shots.split(analysis, task.config.shots)
    if not spans:
        return [], []
    return cut(path, task.source.sha256, analysis, spans, task.config.cut, folder, beat)


def _probed(analysis: Analysis) -> dict[str, Any]:
    probe = analysis.probe
    return {
        "container": probe.container,
        "codec": probe.codec,
        "width_px": probe.width,
        "height_px": probe.height,
        "fps": float(probe.fps),
        "num_frames": probe.num_frames,
        "duration_s": probe.duration_s,
        "pix_fmt": probe.pix_fmt,
        "rotation": probe.rotation,
    }


def _ended(analysis: Analysis, num_clips: int, problems: Sequence[str]) -> dict[str, Any]:
    outcome = "no clips" if not num_clips else "ok" if analysis.outcome == "ok" and not problems else "partial"
    reason = "; ".join([*([analysis.reason] if analysis.reason else []), *problems])
    if not num_clips and not reason:
        reason = "no shot is long enough"
    return {"outcome": outcome, "reason": _short(reason), "num_clips": num_clips}


def clip_row(made: Cut, content: bytes) -> dict[str, Any]:
    """Return the row of a clip, but for the place of its bytes in a shard."""
    clip = made.clip
    pixels = clip.shape.frames * clip.shape.height * clip.shape.width
    return {
        "clip_id": clip.id,
        "source": clip.source,
        "start_num": clip.span.start_s.numerator,
        "start_den": clip.span.start_s.denominator,
        "end_num": clip.span.end_s.numerator,
        "end_den": clip.span.end_s.denominator,
        "duration_s": float(clip.span.duration_s),
        "frames": clip.shape.frames,
        "height_px": clip.shape.height,
        "width_px": clip.shape.width,
        "fps": float(clip.fps),
        "fps_num": clip.fps.numerator,
        "fps_den": clip.fps.denominator,
        "codec": made.codec,
        "how": made.how,
        "keyframes": made.keyframes,
        "bits_per_pixel": 8 * len(content) / pixels,
        "bucket": buckets.name_of(clip.shape, clip.fps),
        "num_bytes": len(content),
    }


def _pack(task: SourceTask, kept: Store, cuts: Sequence[Cut], folder: Path) -> list[dict[str, Any]]:
    """Put the clips as one tar under `work/` and return their rows; offsets are inside that tar."""
    rows: list[dict[str, Any]] = []
    if not cuts:
        return rows
    with (folder / "clips.tar").open("w+b") as file:
        writer = ShardWriter(file)
        for made in cuts:
            content = made.path.read_bytes()
            made.path.unlink()
            row = clip_row(made, content)
            rows.append({**row, "offset": writer.add(f"{made.clip.id}.mp4", content)})
        writer.close()
        file.seek(0)
        kept.put(work_path(task.config, task.source.sha256, "tar"), file)
    return rows


# Stages


def find_stage(name: str, extra: Mapping[str, Stage]) -> Stage:
    """Return a stage by name.

    Raises:
        InputError: there is none; the known ones are listed, nearest first.
    """
    return extra[name] if name in extra else registry.find("data.stages", name)


@lru_cache(maxsize=32)
def _loaded(name: str, setting: str, load: Any) -> Measure:
    return load(setting)


def measure_source(task: MeasureTask, beat: Beat) -> dict[str, pa.Table]:
    """Return the rows of each stage, one per clip in their order, from the kept analysis of their source.

    What a stage raises while it measures becomes rows with the outcome `failed`.

    Raises:
        RushesError: a stage cannot be loaded (its weights are missing, say): the run cannot go on.
    """
    kept = store.at(task.place)
    analysis = analysis_file.from_bytes(kept.get(analysis_path(task.config, task.source)))
    views = [view(clip_of(row), analysis) for row in task.clips]
    tables = {}
    for name, setting, version in task.stages:
        stage = find_stage(name, task.extra)
        measure = _loaded(name, setting, stage.load)
        rows: list[dict[str, Any]] = []
        for start in range(0, len(views), MEASURED_AT_ONCE):
            beat(0)
            some = views[start : start + MEASURED_AT_ONCE]
            rows += measured_rows(stage, measure, some, version, beat)
        tables[name] = rows_to_table(rows, row_schema(stage.columns))
    return tables


def measured_rows(
    stage: Stage, measure: Measure, views: Sequence[Any], version: str, beat: Beat
) -> list[dict[str, Any]]:
    """Return full rows of what `measure` says about `views`; whatever goes wrong is their outcome."""
    try:
        said = []
        for one in measure(views):
            said.append(one)
            beat(0)
        if len(said) != len(views):
            raise RushesError(f"{len(said)} rows for {len(views)} clips")
        rows = [
            {**one, "outcome": "ok", "reason": ""}
            if "failed" not in one
            else {"outcome": "failed", "reason": _short(one["failed"])}
            for one in said
        ]
        rows_to_table(rows, row_schema(stage.columns))
    except Exception as error:  # a stage is anybody's code; its failure is a row, never the end of the run
        rows = [{"outcome": "failed", "reason": _short(f"{type(error).__name__}: {error}")} for _ in views]
    ours = {"stage": stage.name, "version": version}
    return [{**row, **ours, "clip_id": seen.clip.id} for row, seen in zip(rows, views, strict=True)]


def failed_rows(task: MeasureTask, outcome: str, reason: str) -> dict[str, pa.Table]:
    """Return the rows of a task whose worker died, so that every clip still has one."""
    tables = {}
    for name, _, version in task.stages:
        ours = {"stage": name, "version": version, "outcome": outcome, "reason": _short(reason)}
        rows = [{"clip_id": row["clip_id"], **ours} for row in task.clips]
        tables[name] = rows_to_table(rows, row_schema(find_stage(name, task.extra).columns))
    return tables


def finished(kept: Store, config: CurateConfig) -> Iterator[str]:
    """Yield the SHA-256 of each source whose work is done but not packed."""
    prefix = f"work/{settings.cutting_key(config)}/"
    for key in kept.list(prefix):
        if key.endswith(".json"):
            yield key.removeprefix(prefix).removesuffix(".json")
