"""Packing: finished sources, in their order, become parts: shards, rows of clips and of sources, committed together."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from rushes.data import settings
from rushes.data.dataset import CLIP_SCHEMA, SOURCE_SCHEMA
from rushes.data.ledger import Entry, Ledger, rows_to_table
from rushes.data.settings import CurateConfig
from rushes.data.shards import ShardWriter
from rushes.data.workers.tasks import source_row, work_path
from rushes.types import Source

_IN_MEMORY = 16 << 20


@dataclass(frozen=True, slots=True)
class Todo:
    """One source that waits for its row: `kind` is work, duplicate or unreadable; `row` is its intake row."""

    kind: str
    row: Mapping[str, Any]
    reason: str

    @property
    def sha256(self) -> str:
        return self.row["sha256"]


class Packer:
    """Packs `todo` in order: a source when all before it are in, a part when it is large enough.

    `ready` holds the sources whose work is done; a part never holds sources of two calls, so that what a batch gives
    does not depend on the next.
    """

    def __init__(self, ledger: Ledger, config: CurateConfig, todo: Sequence[Todo]) -> None:
        self._ledger, self._config, self._todo = ledger, config, todo
        self._cutting = settings.cutting_key(config)
        self._shard_bytes = int(config.pack.shard_mb * (1 << 20))
        self._next = 0
        self._waiting: list[dict[str, Any]] = []
        self._waiting_bytes = 0
        self.ready: set[str] = set()

    @property
    def is_done(self) -> bool:
        """Say whether everything is committed."""
        return self._next == len(self._todo) and not self._waiting

    def advance(self) -> None:
        """Take in as many sources as are done at the front of the line, and commit each part that closes."""
        while self._next < len(self._todo):
            todo = self._todo[self._next]
            if todo.kind == "work" and todo.sha256 not in self.ready:
                return
            done = self._done(todo)
            self._next += 1
            self._waiting.append(done)
            self._waiting_bytes += sum(row["num_bytes"] for row in done["clips"])
            is_full = self._waiting_bytes >= self._shard_bytes
            if is_full or len(self._waiting) >= self._config.pack.part_sources or self._next == len(self._todo):
                self._close()

    def _done(self, todo: Todo) -> dict[str, Any]:
        if todo.kind == "work":
            return json.loads(self._ledger.store.get(work_path(self._config, todo.sha256, "json")))
        names = ("uri", "sha256", "num_bytes", "licence", "provenance")
        source = Source(**{name: todo.row[name] for name in names})
        row = source_row(source, outcome=todo.kind, reason=todo.reason)
        return {"source": row, "clips": [], "analysis": None}

    def _close(self) -> None:
        part = self._ledger.num_files(f"sources/{self._cutting}")
        clips = [(done["source"]["sha256"], row) for done in self._waiting for row in done["clips"]]
        entries, rows = self._write_shards(part, clips)
        clip_table = rows_to_table(rows, CLIP_SCHEMA)
        source_table = rows_to_table([done["source"] for done in self._waiting], SOURCE_SCHEMA)
        name = f"{self._cutting}/{part:06d}.parquet"
        entries.append(self._ledger.write_table(f"clips/{name}", clip_table, kind="clips"))
        entries.append(self._ledger.write_table(f"sources/{name}", source_table, kind="sources"))
        analyses = [Entry(**done["analysis"]) for done in self._waiting if done["analysis"]]
        entries += [entry for entry in analyses if entry.path not in self._ledger.entries]
        self._ledger.commit(entries)
        for done in self._waiting:
            for suffix in ("tar", "json"):
                sha = done["source"]["sha256"]
                if sha:
                    self._ledger.store.delete(work_path(self._config, sha, suffix))
        self._waiting, self._waiting_bytes = [], 0

    def _write_shards(
        self, part: int, clips: Sequence[tuple[str, dict[str, Any]]]
    ) -> tuple[list[Entry], list[dict[str, Any]]]:
        """Write the clips of a part into tars that close at the shard size; return them and the clips' rows."""
        entries: list[Entry] = []
        rows: list[dict[str, Any]] = []
        waiting = list(clips)
        while waiting:
            path = f"shards/{self._cutting}/{part:06d}-{len(entries):02d}.tar"
            with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as spooled:
                file = cast(BinaryIO, spooled)
                writer, before = ShardWriter(file), len(rows)
                while waiting and writer.num_bytes < self._shard_bytes:
                    source, row = waiting.pop(0)
                    tar = work_path(self._config, source, "tar")
                    content = self._ledger.store.get(tar, start=row["offset"], length=row["num_bytes"])
                    row = {**row, "shard": path, "offset": writer.add(f"{row['clip_id']}.mp4", content)}
                    rows.append(row)
                    writer.add(f"{row['clip_id']}.json", _side(row))
                writer.close()
                file.seek(0)
                entries.append(self._ledger.write(path, file, kind="shard", rows=len(rows) - before))
        return entries, rows


def _side(row: Mapping[str, Any]) -> bytes:
    """Return the JSON that lies beside a clip in its shard: its row, but for where it lies."""
    return json.dumps({k: v for k, v in row.items() if k not in ("shard", "offset")}, sort_keys=True).encode()
