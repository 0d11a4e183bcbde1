"""The ledger: files of a dataset, each written once; a commit is one more manifest file that names what it adds.

A file that no manifest names is rubbish of a run that was killed. Commits are whole or absent on any store, for each is
one `put`: a shard, the rows of its clips and of its sources appear together.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from rushes.errors import RushesError
from rushes.store import Store

MANIFEST = "manifest/"

ARROW_TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float16": pa.float16(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One committed file: its key, what it holds, how many rows, the SHA-256 of its bytes and their number."""

    path: str
    kind: str
    rows: int
    sha256: str
    num_bytes: int


@dataclass(slots=True)
class Ledger:
    """The committed files of the dataset in `store`, by key."""

    store: Store
    entries: dict[str, Entry] = field(default_factory=dict)
    num_commits: int = 0
    _num_files: Counter[str] = field(default_factory=Counter)  # by folder: millions of keys are not looked through

    @classmethod
    def open(cls, store: Store) -> Ledger:
        """Read every manifest.

        Raises:
            RushesError: a manifest is damaged.
        """
        ledger = cls(store)
        for key in sorted(store.list(MANIFEST), key=by_number):
            try:
                lines = [json.loads(line) for line in store.get(key).splitlines()]
                for line in lines:
                    if line.get("removed"):
                        ledger._forget(line["path"])
                    else:
                        ledger._keep(Entry(**line))
                ledger.num_commits = int(key.removeprefix(MANIFEST).removesuffix(".jsonl"))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise RushesError(f"{key} of the dataset is damaged ({error})") from None
        return ledger

    def write(self, path: str, content: bytes | BinaryIO, *, kind: str, rows: int) -> Entry:
        """Put a file; it is part of the dataset once a commit names it."""
        entry = Entry(path=path, kind=kind, rows=rows, sha256=digest_of(content), num_bytes=size_of(content))
        self.store.put(path, content)
        return entry

    def write_table(self, path: str, table: pa.Table, *, kind: str) -> Entry:
        """Put a table as Parquet, the same bytes for the same rows."""
        return self.write(path, to_parquet(table), kind=kind, rows=table.num_rows)

    def commit(self, added: Sequence[Entry], removed: Sequence[str] = ()) -> None:
        """Make `added` part of the dataset and `removed` no longer, at once; nothing happens where both are empty."""
        if not added and not removed:
            return
        lines = [{name: getattr(entry, name) for name in Entry.__slots__} for entry in added]
        lines += [{"path": path, "removed": True} for path in removed]
        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
        self.num_commits += 1
        self.store.create(f"{MANIFEST}{self.num_commits:08d}.jsonl", text.encode())
        for entry in added:
            self._keep(entry)
        for path in removed:
            self._forget(path)
            self.store.delete(path)

    def _keep(self, entry: Entry) -> None:
        self._num_files[_folder(entry.path)] += entry.path not in self.entries
        self.entries[entry.path] = entry

    def _forget(self, path: str) -> None:
        self._num_files[_folder(path)] -= path in self.entries
        self.entries.pop(path, None)

    def num_files(self, folder: str) -> int:
        """Return how many committed files lie in `folder` itself, which ends without a slash."""
        return self._num_files[folder]

    def paths(self, prefix: str) -> list[str]:
        """Return the committed keys that begin with `prefix`, sorted; those of one folder by their numbers."""
        return sorted((path for path in self.entries if path.startswith(prefix)), key=by_number)

    def table(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a committed Parquet file.

        Raises:
            RushesError: it is missing or damaged.
        """
        try:
            content = self.store.get(path)
            # Without Arrow's threads: one that frees Python's bytes while the interpreter ends aborts the command.
            with pq.ParquetFile(pa.BufferReader(content), pre_buffer=False) as file:
                return file.read(columns=None if columns is None else list(columns), use_threads=False)
        except (pa.ArrowException, RushesError) as error:
            raise RushesError(f"{path} of the dataset is damaged ({error})") from None

    def tables(self, prefix: str, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
        """Return all committed Parquet files below `prefix` as one table, in the order of their names."""
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        found = [self.table(path, columns) for path in self.paths(prefix)]
        return pa.concat_tables([schema.empty_table(), *(table.cast(schema) for table in found)])

    def digest(self) -> str:
        """Return 64 hexadecimal digits that stand for all committed content, whatever the history of commits."""
        lines = [f"{path} {entry.sha256}\n" for path, entry in sorted(self.entries.items())]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def delete_rubbish(self, is_wanted: Callable[[str], bool]) -> int:
        """Delete files that no commit names, but for the head, the manifests and wanted keys; return how many."""
        count = 0
        for key in self.store.list():
            is_ours = key in self.entries or key == "dataset.json" or key.startswith(MANIFEST)
            if not is_ours and not is_wanted(key):
                self.store.delete(key)
                count += 1
        return count


def by_number(path: str) -> tuple[int, str]:
    """Return what sorts keys that differ in one padded number, however far it has outgrown its padding."""
    return len(path), path


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def to_parquet(table: pa.Table) -> bytes:
    """Return Parquet bytes that depend on the table's rows and schema alone."""
    sink = io.BytesIO()
    pq.write_table(table.combine_chunks(), sink, compression="zstd", row_group_size=65536)
    return sink.getvalue()


def arrow_type(text: str) -> pa.DataType:
    """Return the Arrow type that `text` names: `float32`, `list<float16>`, ...

    Raises:
        RushesError: an unknown type.
    """
    if text.startswith("list<") and text.endswith(">"):
        return pa.list_(arrow_type(text[5:-1]))
    if text not in ARROW_TYPES:
        raise RushesError(f"column type {text!r} is unknown; known: {', '.join(ARROW_TYPES)} and list<...>")
    return ARROW_TYPES[text]


def row_schema(columns: Mapping[str, str]) -> pa.Schema:
    """Return the schema of a stage's rows: clip_id, stage, version, outcome, reason, then the stage's own columns."""
    ours = [(name, pa.string()) for name in ("clip_id", "stage", "version", "outcome", "reason")]
    return pa.schema([*ours, *((name, arrow_type(kind)) for name, kind in columns.items())])


def rows_to_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table; what a row lacks is null.

    Raises:
        RushesError: a value that its column cannot hold.
    """
    try:
        return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise RushesError(f"a row does not fit its columns: {error}") from None


def digest_of(content: bytes | BinaryIO) -> str:
    """Return the SHA-256 of bytes or of a file from where it stands to its end, which is then rewound to there."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    start, sha = content.tell(), hashlib.sha256()
    while piece := content.read(1 << 20):
        sha.update(piece)
    content.seek(start)
    return sha.hexdigest()


def size_of(content: bytes | BinaryIO) -> int:
    """Return the number of bytes, of a file from where it stands to its end."""
    if isinstance(content, bytes):
        return len(content)
    start = content.tell()
    end = content.seek(0, io.SEEK_END)
    content.seek(start)
    return end - start
