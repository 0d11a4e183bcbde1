"""Select: the preset's cuts, readable expressions over what stages measured, say which clips are kept and why not."""

from __future__ import annotations

import difflib
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from rushes.data import balance, dedup
from rushes.data.dedup import DedupConfig
from rushes.data.stages import hash as hashes
from rushes.errors import InputError

Duplicates = Callable[[Sequence[str]], Mapping[str, tuple[str, float]]]  # clip -> what it repeats, how alike they are
Embeddings = Callable[[Sequence[str]], Mapping[str, Sequence[float]]]

DUPLICATE = "duplicate"
NOT_MEASURED = " (not measured)"
SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("kept", pa.bool_()),
        ("reason", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("duplicate_of", pa.string()),
        ("similarity", pa.float32()),
        ("cluster", pa.int32()),
        ("weight", pa.float32()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectConfig:
    """What is kept: `cuts` maps a reason to the claim that kept clips meet, an SQL expression over measured columns.

    A claim names a clip's own columns alone (`height_px >= 256`), a stage's after a dot (`motion.median > 0.001`), its
    source's likewise (`sources.codec = 'h264'`). `embedding` is the stage whose column of that name balances clips;
    empty balances nothing. `num_clusters` 0 takes the square root of half the number of clips.
    """

    cuts: dict[str, str] = field(default_factory=dict)
    drop_duplicates: bool = True
    dedup: DedupConfig = field(default_factory=DedupConfig)
    embedding: str = ""
    num_clusters: int = 0


def measured(clips: pa.Table, rows: Mapping[str, pa.Table], sources: pa.Table) -> pa.Table:
    """Return one row per clip: its own columns, then one struct per stage and `sources`, null where there is no row.

    Lists and bytes are left out: claims compare numbers and words.
    """
    ended = zip(sources["sha256"].to_pylist(), sources["outcome"].to_pylist(), strict=True)
    index = {sha: i for i, (sha, outcome) in enumerate(ended) if outcome != "duplicate"}
    table = clips.append_column("sources", _struct(sources, [index.get(s) for s in clips["source"].to_pylist()]))
    for stage, found in sorted(rows.items()):
        ok = {
            clip_id: i
            for i, (clip_id, outcome) in enumerate(
                zip(found["clip_id"].to_pylist(), found["outcome"].to_pylist(), strict=True)
            )
            if outcome == "ok"
        }
        own = found.drop_columns(["clip_id", "stage", "version", "outcome", "reason"])
        if _plain(own):
            table = table.append_column(stage, _struct(own, [ok.get(c) for c in clips["clip_id"].to_pylist()]))
    return table


def _plain(table: pa.Table) -> list[str]:
    return [f.name for f in table.schema if not (pa.types.is_nested(f.type) or pa.types.is_binary(f.type))]


def _struct(table: pa.Table, indices: list[int | None]) -> pa.StructArray:
    names = _plain(table)
    taken = table.select(names).take(pa.array(indices, pa.int64())).combine_chunks()
    columns = [taken[name].combine_chunks() for name in names]
    columns = [c.chunk(0) if isinstance(c, pa.ChunkedArray) else c for c in columns]
    mask = pa.array([i is None for i in indices], pa.bool_())
    return pa.StructArray.from_arrays(columns, names=names, mask=mask)


def known_names(table: pa.Table) -> list[str]:
    """Return the names that a claim may use: `width_px`, `motion.median`, ..."""
    names = []
    for column in table.schema:
        if pa.types.is_struct(column.type):
            names += [f"{column.name}.{inner.name}" for inner in column.type]
        else:
            names.append(column.name)
    return names


def claims(table: pa.Table, cuts: Mapping[str, str]) -> dict[str, list[bool | None]]:
    """Return for each cut what its claim says of each clip, in order; None where a value is missing.

    The expressions run in a database of their own, in memory, that can open no file and no address.

    Raises:
        InputError: an expression that is wrong, names an unknown column (the nearest is named) or is no claim.
    """
    connection = duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1"})
    try:
        connection.sql("set python_enable_replacements=false")
        connection.register("clips", table.append_column("_row", pa.array(range(table.num_rows), pa.int64())))
        connection.sql("set lock_configuration=true")
        return {reason: _claim(connection, reason, text, table) for reason, text in cuts.items()}
    finally:
        connection.close()


def _claim(connection: duckdb.DuckDBPyConnection, reason: str, text: str, table: pa.Table) -> list[bool | None]:
    try:
        found = connection.sql(f"select ({_quoted(text, table)}\n) as claim from clips order by _row")
        kind = str(found.types[0])
        if kind != "BOOLEAN":
            raise InputError(f"cut {reason!r}: {text!r} gives {kind}; a claim is true or false, as 'width_px >= 256'")
        return [row[0] for row in found.fetchall()]
    except duckdb.Error as error:
        raise InputError(f"cut {reason!r}: {_explain(str(error), text, known_names(table))}") from None


def _quoted(text: str, table: pa.Table) -> str:
    """Return the expression with stage names in quotes, for some (`freeze`) are words of the language."""
    stages = [field.name for field in table.schema if pa.types.is_struct(field.type)]
    if not stages:
        return text
    pattern = rf"('[^']*'|\"[^\"]*\")|\b({'|'.join(map(re.escape, stages))})\."
    return re.sub(pattern, lambda match: match[1] or f'"{match[2]}".', text)


def _explain(said: str, text: str, known: list[str]) -> str:
    """Return one line about a bad expression that names the unknown word and the nearest known one."""
    found = re.search(r'(?:column|named|table|key|Function with name)\s+"?(\w+)"?', said)
    words = re.findall(r"[A-Za-z_][\w.]*", re.sub(r"'[^']*'", "", text))
    unknown = [w for w in words if found and found[1] in w.split(".") and w not in known]
    if unknown and "Function" not in said:
        near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0.0)
        return f"{unknown[0]!r} is no column; the nearest is {near[0]!r}; known: {', '.join(known)}"
    first = " ".join(said.split("LINE 1")[0].split())
    return f"{text!r} is no expression ({first})"


def select(
    table: pa.Table,
    config: SelectConfig,
    *,
    duplicates: Duplicates | None = None,
    embeddings: Embeddings | None = None,
) -> pa.Table:
    """Return which clips are kept, one row each in the order of `table` (from `measured`), with every reason against.

    `duplicates` is asked only about the clips that every cut keeps, so that a group never loses all its clips.

    Raises:
        InputError: as `claims`.
    """
    ids = table["clip_id"].to_pylist()
    reasons: list[list[str]] = [[] for _ in ids]
    for reason, truths in claims(table, config.cuts).items():
        for against, truth in zip(reasons, truths, strict=True):
            if truth is not True:
                against.append(reason if truth is False else reason + NOT_MEASURED)
    survivors = [clip_id for clip_id, against in zip(ids, reasons, strict=True) if not against]
    twins = duplicates(survivors) if duplicates and config.drop_duplicates and len(survivors) > 1 else {}
    for clip_id, against in zip(ids, reasons, strict=True):
        if clip_id in twins:
            against.append(DUPLICATE)
    kept = [clip_id for clip_id, against in zip(ids, reasons, strict=True) if not against]
    cluster, weight = _balance(kept, config, embeddings)
    rows = [
        {
            "clip_id": clip_id,
            "kept": not against,
            "reason": against[0] if against else "",
            "reasons": against,
            "duplicate_of": twins.get(clip_id, (None, None))[0],
            "similarity": twins.get(clip_id, (None, None))[1],
            "cluster": cluster.get(clip_id),
            "weight": weight.get(clip_id, 0.0 if against else 1.0),
        }
        for clip_id, against in zip(ids, reasons, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _balance(
    kept: list[str], config: SelectConfig, embeddings: Embeddings | None
) -> tuple[dict[str, int], dict[str, float]]:
    """Return the cluster and the weight of the kept clips that have an embedding; the others weigh 1."""
    found = embeddings(kept) if embeddings and config.embedding else {}
    ids = sorted(found)  # by id: the order of sources must not matter
    if not ids:
        return {}, {}
    rows = np.stack([np.asarray(found[clip_id], np.float32) for clip_id in ids])
    cluster = balance.clusters(rows, config.num_clusters or balance.default_clusters(len(ids)))
    weight = balance.weights(cluster)
    return dict(zip(ids, cluster.tolist(), strict=True)), dict(zip(ids, weight.tolist(), strict=True))


def funnel(selection: pa.Table) -> dict[str, Any]:
    """Return how many clips were seen and kept, and how many each reason dropped: as the first against, and at all."""
    first = Counter(reason for reason in selection["reason"].to_pylist() if reason)
    at_all = Counter(reason for reasons in selection["reasons"].to_pylist() for reason in reasons)
    kept = sum(selection["kept"].to_pylist())
    counts = {"first": dict(first.most_common()), "any": dict(at_all.most_common())}
    return {"seen": selection.num_rows, "kept": kept, **counts}


def embeddings_of(rows: Mapping[str, pa.Table], stage: str) -> Embeddings | None:
    """Return how to look up the `embedding` column of a stage's rows; None where there is none."""
    if stage not in rows or "embedding" not in rows[stage].column_names:
        return None
    table = rows[stage]

    def look_up(ids: Sequence[str]) -> dict[str, Sequence[float]]:
        wanted = set(ids)
        pairs = zip(table["clip_id"].to_pylist(), table["embedding"].to_pylist(), strict=True)
        return {clip_id: values for clip_id, values in pairs if clip_id in wanted and values}

    return look_up


def duplicates_among(
    clips: pa.Table, parts: Iterable[pa.Table], vectors: Embeddings | None, config: DedupConfig
) -> Duplicates:
    """Return how to find, once, the clips that repeat another; `parts` are the rows of stage `hash`, part by part.

    Only one part is in memory at a time; the hashes of all, 3.9 kB a clip, wait in a temporary file.
    """

    def look(ids: Sequence[str]) -> dict[str, tuple[str, float]]:
        index = {clip_id: i for i, clip_id in enumerate(clips["clip_id"].to_pylist())}
        height, width, duration_s = (clips[name].to_numpy() for name in ("height_px", "width_px", "duration_s"))
        wanted, candidates = set(ids), []
        with tempfile.TemporaryFile() as file:
            for part in parts:
                pairs = zip(part["clip_id"].to_pylist(), part["means"].to_pylist(), strict=True)
                some = {clip_id: value for clip_id, value in pairs if value and clip_id in wanted}
                file.write(hashes.unpack(list(some.values())).tobytes())
                candidates += [
                    dedup.Candidate(id=one, num_pixels=int(height[i]) * int(width[i]), duration_s=float(duration_s[i]))
                    for one, i in ((one, index[one]) for one in some)
                ]
            file.flush()
            shape = (len(candidates), hashes.NUM_MEANS, hashes.HEIGHT, hashes.WIDTH)
            if not candidates:
                return {}
            means = np.memmap(file, np.uint8, "r", shape=shape)
            return dedup.duplicates(candidates, means, embeddings=_matrix(candidates, vectors), config=config)

    return look


def _matrix(candidates: Sequence[dedup.Candidate], vectors: Embeddings | None) -> np.ndarray | None:
    """Return the embeddings `[n d]` of the candidates, a row of NaN where there is none."""
    found = vectors([one.id for one in candidates]) if vectors else {}
    if not found:
        return None
    width = len(next(iter(found.values())))
    return np.array([found.get(one.id, [np.nan] * width) for one in candidates], np.float32)
