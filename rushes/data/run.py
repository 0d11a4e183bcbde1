"""The engine: fills a dataset from folders of films, goes on where a killed run was, and does only what is new.

Order decides everything: a batch of intake is sorted by SHA-256, its sources are packed in that order as soon as all
before them are done, and parts close at a size. So the bytes on disk follow from the sources and the settings, and not
from the number of workers, the order in which they finish, or how often a run was killed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rushes import config as configs
from rushes.data import select, settings
from rushes.data.dataset import CLIP_SCHEMA, HEAD, SOURCE_SCHEMA, Dataset, open_store
from rushes.data.intake import sources as intake
from rushes.data.ledger import Ledger, row_schema
from rushes.data.measure import Measuring
from rushes.data.packing.pack import Packer, Todo
from rushes.data.settings import CurateConfig
from rushes.data.stages import Stage
from rushes.data.workers.pool import Failure, Runner
from rushes.data.workers.tasks import SourceTask, curate_source, find_stage, finished, source_row, work_path
from rushes.errors import InputError
from rushes.store import Store
from rushes.store.local import LOCK, local_path
from rushes.types import Source


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a run is: `phase` is looking, reading, cutting, measuring, selecting or done; counts are of this run."""

    phase: str = "looking"
    done: int = 0
    total: int = 0
    num_clips: int = 0
    num_bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did: new sources by outcome, new clips and rows; and what the whole dataset now is (`funnel`).

    `is_whole` is false where the run was asked to stop before everything was done; `num_waiting` sources are then
    finished but not packed yet.
    """

    outcomes: dict[str, int]
    num_clips: int
    num_rows: int
    is_whole: bool
    num_waiting: int
    funnel: dict[str, Any]


Watch = Callable[[Progress], None]


def curate(
    place: str,
    sources: Sequence[str],
    config: CurateConfig,
    runner: Runner,
    *,
    watch: Watch = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    again: Again | None = None,
) -> Summary:
    """Fill the dataset at `place` from `sources`: take in what is new, cut it, measure every clip, select.

    A run that is asked to stop finishes what workers have begun; the next one goes on from there.

    Raises:
        InputError: a source or the dataset cannot be where it was put, a stage or a cut of the config is wrong, another
            run is filling the dataset.
        RushesError: the dataset cannot be written any further (a full disk, say); the next run goes on.
    """
    again = again or Again()
    check(config, again.stages)
    _require_apart(place, sources)
    with alone(place) as kept:
        head = {
            "format": settings.FORMAT,
            "config": configs.to_dict(config),
            "versions": _versions(config, again.stages),
        }
        kept.put(HEAD, json.dumps(head, indent=1).encode())
        engine = _Engine(place, kept, config, runner, watch, should_stop, again)
        engine.sweep()
        engine.take_in_and_cut(sources)
        engine.measure()
        return engine.select()


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What a run may do beyond its settings: sources that ended with one of `outcomes` are tried again.

    `stages` are stages that are no files of `rushes/data/stages`; their functions must pickle. Where `only` is given,
    files of the sources that are not in it, as they were then, are passed over: somebody may still be writing them.
    """

    outcomes: tuple[str, ...] = ()
    stages: Mapping[str, Stage] = field(default_factory=dict)
    only: frozenset[intake.Found] | None = None


def check(config: CurateConfig, extra: Mapping[str, Stage]) -> None:
    """Refuse settings that would fail hours later: unknown stages, cuts that are no claims about known columns.

    Raises:
        InputError: as said.
    """
    rows = {name: row_schema(find_stage(name, extra).columns).empty_table() for name in config.stages}
    table = select.measured(CLIP_SCHEMA.empty_table(), rows, SOURCE_SCHEMA.empty_table())
    select.claims(table, config.select.cuts)


def _versions(config: CurateConfig, extra: Mapping[str, Stage]) -> dict[str, str]:
    """Return the version of each stage that the config names; readers need neither its code nor its weights."""
    return {name: find_stage(name, extra).version(setting) for name, setting in config.stages.items()}


def _require_apart(place: str, sources: Sequence[str]) -> None:
    out = _parts(place)
    for source in sources:
        inside = _parts(source)
        if "://" not in inside[0] and not Path(*inside).exists():
            raise InputError(f"there is no {source!r} to curate")
        if out[: len(inside)] == inside:
            raise InputError(f"the dataset {place} lies inside the source {source}; put it beside, not within")
        if inside[: len(out)] == out:
            raise InputError(f"the source {source} lies inside the dataset {place}; put it beside, not within")


def _parts(place: str) -> tuple[str, ...]:
    """Return the folders on the way to a place, links resolved, or its scheme, its bucket and the names below."""
    if "://" in place and not place.startswith("file://"):
        scheme, separator, rest = place.partition("://")
        return (scheme + separator, *rest.strip("/").split("/"))
    return (local_path(place) if place.startswith("file://") else Path(place)).resolve().parts


@contextlib.contextmanager
def alone(place: str) -> Iterator[Store]:
    """Give the body the store at `place` while nobody else fills it.

    Raises:
        InputError: somebody does, or the place cannot be written.
    """
    kept = open_store(place, must_exist=False)
    with kept.hold():
        yield kept


class _Engine:
    """One run over one dataset."""

    def __init__(
        self,
        place: str,
        kept: Store,
        config: CurateConfig,
        runner: Runner,
        watch: Watch,
        should_stop: Callable[[], bool],
        again: Again,
    ) -> None:
        self._place = place if "://" in place else str(Path(place).absolute())  # workers may stand elsewhere
        self._kept, self._config, self._runner = kept, config, runner
        self._watch, self._should_stop, self._again = watch, should_stop, again
        self._ledger = Ledger.open(kept)
        self._progress = Progress()
        self._num_rows = 0
        self._is_whole = True

    def sweep(self) -> None:
        """Delete what killed runs left, but for finished sources that wait to be packed."""
        self._kept.sweep()
        waiting = {todo.sha256 for todo in self._todo() if todo.kind == "work"}
        done = waiting & set(finished(self._kept, self._config))
        wanted = {work_path(self._config, sha, suffix) for sha in done for suffix in ("tar", "json")}
        self._ledger.delete_rubbish(
            lambda key: key in wanted or key.split("/")[0] == LOCK or _is_analysis_of(key, waiting)
        )

    def _todo(self) -> list[Todo]:
        """Return what is taken in but not packed yet, in order."""
        rows = self._ledger.tables("intake/", intake.SCHEMA).to_pylist()
        packed = sum(entry.rows for entry in self._entries("sources/"))
        return todo_of(rows)[packed:]

    def _entries(self, kind: str) -> list[Any]:
        prefix = f"{kind}{settings.cutting_key(self._config)}/"
        return [self._ledger.entries[path] for path in self._ledger.paths(prefix)]

    def take_in_and_cut(self, sources: Sequence[str]) -> None:
        """Cut what earlier intakes left, then take in what is new, a batch at a time, and cut that."""
        self._say(phase="looking", done=0, total=0)
        found = intake.find(sources, apart_from=self._place)
        if self._again.only is not None:
            found = [one for one in found if one in self._again.only]
        self._cut()
        new, retried = self._new(found), self._tried_again(found)
        size = self._config.pack.batch_sources
        for again, some in ((False, new), (True, retried)):
            for start in range(0, len(some), size):
                if self._stopped():
                    return
                batch = some[start : start + size]
                self._say(phase="reading", done=start, total=len(some))
                table = intake.take_in(
                    batch, licence=self._config.licence, provenance=self._config.provenance, again=again
                )
                number = self._ledger.num_files("intake")
                self._ledger.commit([self._ledger.write_table(f"intake/{number:06d}.parquet", table, kind="intake")])
                self._cut()

    def _new(self, found: Sequence[intake.Found]) -> list[intake.Found]:
        last = {row["uri"]: row for row in self._ledger.tables("intake/", intake.SCHEMA).to_pylist()}
        return [one for one in found if not intake.is_known(one, last.get(one.uri))]

    def _tried_again(self, found: Sequence[intake.Found]) -> list[intake.Found]:
        if not self._again.outcomes:
            return []
        ended = {row["uri"]: row["outcome"] for row in self._dataset().sources().to_pylist()}
        return [one for one in found if ended.get(one.uri) in self._again.outcomes]

    def _cut(self) -> None:
        """Analyse and cut what waits; pack it in order as the front of the line is done."""
        todo = self._todo()
        if not todo:
            return
        packer = Packer(self._ledger, self._config, todo)
        packer.ready |= set(finished(self._kept, self._config))
        work = {one.sha256: one for one in todo if one.kind == "work"}
        self._say(phase="cutting", done=len(todo) - len(work), total=len(todo))
        tasks = self._until_stopped(
            SourceTask(place=self._place, source=_source(one.row), config=self._config)
            for one in work.values()
            if one.sha256 not in packer.ready
        )
        self._progress.done += len(packer.ready & set(work))
        for task, result in self._runner.map(curate_source, tasks):
            done = self._settled(task, result) if isinstance(result, Failure) else result
            packer.ready.add(task.source.sha256)
            self._progress.outcomes[done["source"]["outcome"]] += 1
            self._progress.num_clips += len(done["clips"])
            self._progress.num_bytes += task.source.num_bytes
            self._say(done=self._progress.done + 1)
            packer.advance()
        packer.advance()
        self._is_whole &= packer.is_done

    def _settled(self, task: SourceTask, failure: Failure) -> dict[str, Any]:
        """Keep what became of a source whose worker did not come back; a failure of the dataset's ends the run."""
        if failure.error is not None:
            raise failure.error
        row = source_row(task.source, outcome=failure.kind, reason=failure.reason)
        done: dict[str, Any] = {"source": row, "clips": [], "analysis": None}
        path = work_path(self._config, task.source.sha256, "json")
        self._kept.put(path, json.dumps(done, sort_keys=True).encode())
        return done

    def measure(self) -> None:
        """Measure every part of the clips with every stage of the settings that has not seen it."""
        if self._stopped() and not self._is_whole:
            return
        measuring = Measuring(self._place, self._ledger, self._config, self._again.stages)
        total = measuring.num_clips
        if not total:
            return
        self._say(phase="measuring", done=0, total=total)
        for num_clips, num_rows in measuring.run(self._runner, self._until_stopped):
            self._num_rows += num_rows
            self._say(done=self._progress.done + num_clips)
        self._is_whole &= measuring.is_done

    def select(self) -> Summary:
        """Keep the selection beside what it was made from, in place of the one before, and sum the run up."""
        self._say(phase="selecting", done=0, total=0)
        dataset = self._dataset()
        path = dataset.selection_path()
        if path not in self._ledger.entries:
            entry = self._ledger.write_table(path, dataset.select(), kind="selection")
            self._ledger.commit([entry], removed=self._ledger.paths("selection/"))
        self._say(phase="done")
        return Summary(
            outcomes=dict(sorted(self._progress.outcomes.items())),
            num_clips=self._progress.num_clips,
            num_rows=self._num_rows,
            is_whole=self._is_whole,
            num_waiting=len(list(finished(self._kept, self._config))),
            funnel=dataset.funnel(),
        )

    def _dataset(self) -> Dataset:
        return Dataset(
            store=self._kept,
            config=self._config,
            ledger=self._ledger,
            extra_stages=self._again.stages,
            versions=_versions(self._config, self._again.stages),
        )

    def _until_stopped(self, tasks: Iterator[Any]) -> Iterator[Any]:
        for task in tasks:
            if self._stopped():
                return
            yield task

    def _stopped(self) -> bool:
        if self._should_stop():
            self._is_whole = False
            return True
        return False

    def _say(self, **changes: Any) -> None:
        self._progress = dataclasses.replace(self._progress, **changes)
        self._watch(self._progress)


def todo_of(rows: Sequence[Mapping[str, Any]]) -> list[Todo]:
    """Return one entry for each intake row that makes a row of the sources, in order.

    Bytes that came in before, under another address, are a duplicate; under the same one (a file that was only
    touched) they are nothing new.
    """
    first: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    todo = []
    for row in rows:
        sha, uri = row["sha256"], row["uri"]
        if not sha:
            todo.append(Todo("unreadable", row, row["problem"]))
        elif sha not in first or (row["again"] and first[sha] == uri):
            todo.append(Todo("work", row, ""))
        elif (sha, uri) not in seen:
            todo.append(Todo("duplicate", row, f"the same bytes as {first[sha]}"))
        first.setdefault(sha, uri)
        seen.add((sha, uri))
    return todo


def _source(row: Mapping[str, Any]) -> Source:
    names = ("uri", "sha256", "num_bytes", "licence", "provenance")
    return Source(**{name: row[name] for name in names})


def _is_analysis_of(key: str, sources: set[str]) -> bool:
    return key.startswith("analysis/") and key.rpartition("/")[2].removesuffix(".arrow") in sources
