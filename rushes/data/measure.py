"""Measuring: each part of the clips meets each stage once per version; the rows of a part are committed together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from rushes.data import settings
from rushes.data.dataset import CLIP_SCHEMA
from rushes.data.ledger import Ledger, row_schema
from rushes.data.settings import CurateConfig
from rushes.data.stages import Stage
from rushes.data.workers.pool import Failure, Runner
from rushes.data.workers.tasks import MeasureTask, failed_rows, find_stage, measure_source

Asked = Callable[[Iterator[MeasureTask]], Iterator[MeasureTask]]


@dataclass(slots=True)
class _Part:
    """A part of the clips and the stages that it still needs; `found` fills with tables by (stage, source)."""

    name: str
    stages: tuple[tuple[str, str, str], ...]
    num_clips: int
    sources: list[str] = field(default_factory=list)
    found: dict[tuple[str, str], pa.Table] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return len(self.found) == len(self.sources) * len(self.stages)


class Measuring:
    """What is still to be measured of a dataset; `num_clips` counts the clips of the parts that lack a stage."""

    def __init__(self, place: str, ledger: Ledger, config: CurateConfig, extra: Mapping[str, Stage]) -> None:
        self._place, self._ledger, self._config, self._extra = place, ledger, config, extra
        self._cutting = settings.cutting_key(config)
        self._wanted = tuple(
            (name, setting, find_stage(name, extra).version(setting)) for name, setting in config.stages.items()
        )
        self._parts = list(self._unmeasured())
        self.num_clips = sum(part.num_clips for part in self._parts)
        self._open = {part.name: part for part in self._parts}

    @property
    def is_done(self) -> bool:
        """Say whether every part has every stage's rows committed."""
        return not self._open

    def _path(self, stage: str, version: str, part: str) -> str:
        return f"stages/{stage}@{version}/{self._cutting}/{part}"

    def _unmeasured(self) -> Iterator[_Part]:
        for path in self._ledger.paths(f"clips/{self._cutting}/"):
            name, rows = path.rpartition("/")[2], self._ledger.entries[path].rows
            lacking = tuple(one for one in self._wanted if self._path(one[0], one[2], name) not in self._ledger.entries)
            if lacking and rows:
                yield _Part(name, lacking, rows)

    def run(self, runner: Runner, asked: Asked) -> Iterator[tuple[int, int]]:
        """Measure all; yield (clips, rows) as they are done. A task whose worker died is tried stage by stage."""
        broken: list[MeasureTask] = []
        yield from self._map(runner, asked, self._tasks(), broken)
        single = [replace(task, stages=(one,)) for task in broken for one in task.stages]
        if single:
            yield from self._map(runner, asked, iter(single), None)

    def _tasks(self) -> Iterator[MeasureTask]:
        """Yield the tasks of one part after the other; a part's clips are read when its turn comes."""
        for part in self._parts:
            by_source: dict[str, list[dict[str, Any]]] = {}
            table = self._ledger.table(f"clips/{self._cutting}/{part.name}").cast(CLIP_SCHEMA)
            for row in table.to_pylist():
                by_source.setdefault(row["source"], []).append(row)
            part.sources = list(by_source)
            for source, rows in by_source.items():
                yield MeasureTask(
                    place=self._place,
                    config=self._config,
                    part=part.name,
                    source=source,
                    clips=tuple(rows),
                    stages=part.stages,
                    extra=self._extra,
                )

    def _map(
        self,
        runner: Runner,
        asked: Asked,
        tasks: Iterator[MeasureTask],
        broken: list[MeasureTask] | None,
    ) -> Iterator[tuple[int, int]]:
        """Run tasks; one whose worker died goes to `broken`, or without that list becomes rows that say so."""
        for task, result in runner.map(measure_source, asked(tasks)):
            part = self._open[task.part]
            if isinstance(result, Failure):
                if result.error is not None:
                    raise result.error
                if broken is not None and len(task.stages) > 1:
                    broken.append(task)
                    continue
                result = failed_rows(task, result.kind, result.reason)
            for stage, table in result.items():
                part.found[stage, task.source] = table
            share = len(task.stages) / len(part.stages)
            num_rows = self._commit(part) if part.is_done else 0
            yield round(len(task.clips) * share), num_rows

    def _commit(self, part: _Part) -> int:
        entries = []
        for stage, _, version in part.stages:
            schema = row_schema(find_stage(stage, self._extra).columns)
            tables = [part.found[stage, source] for source in part.sources]
            table = pa.concat_tables([schema.empty_table(), *(one.cast(schema) for one in tables)])
            entries.append(self._ledger.write_table(self._path(stage, version, part.name), table, kind="rows"))
        self._ledger.commit(entries)
        del self._open[part.name]
        part.found.clear()
        return sum(entry.rows for entry in entries)
