"""The report of a dataset: one HTML page that needs nothing else, with what was kept, what was not, and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from rushes import __version__
from rushes.data import select
from rushes.data.dataset import Dataset
from rushes.data.report import charts
from rushes.data.report import terms as compared
from rushes.data.report.cards import Album, Card, Ink
from rushes.data.report.overview import file_of, length, overview, printable, size
from rushes.data.search import CAPTION_COLUMNS
from rushes.data.select import DUPLICATE, NOT_MEASURED
from rushes.errors import InputError
from rushes.media.encode import replacing

OWN_SCORES = ("duration_s", "width_px", "height_px", "fps", "bits_per_pixel", "num_bytes")
OWN_WORDS = ("bucket", "codec", "how")
MOST_VALUES = 40  # a column of more different words is text
SHOWN_VALUES = 14
TEMPLATE = "page.html.jinja"

Chart = tuple[str, Markup, int]  # name, picture, how many clips were not measured
Tally = tuple[str, list[tuple[str, int, int]]]  # name, and per value how many clips have it, how many of them are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """How much a report shows: clips `per_reason`, of those kept, `pairs` of duplicates, transitions, failed `sources`.

    At most `reasons` reasons have a sheet and `sheets` clips are on them all; `pictures_mb` bounds the page.
    """

    per_reason: int = 6
    kept: int = 12
    pairs: int = 8
    transitions: int = 12
    sources: int = 200
    reasons: int = 60
    sheets: int = 160
    pictures_mb: float = 9.0

    def __post_init__(self) -> None:
        for name in ("per_reason", "kept", "pairs", "transitions", "sources", "reasons", "sheets"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}; the nearest legal value is 0")
        if not 0 <= self.pictures_mb <= 9:
            raise InputError(f"pictures_mb is {self.pictures_mb}; legal is 0 to 9, so that a page stays below 15 MB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One reason for which clips are dropped: its claim, how it splits the clips, a few of them with their numbers."""

    reason: str
    claim: str
    is_unmeasured: bool
    first: int
    at_all: int
    charts: tuple[Chart, ...]
    clips: tuple[tuple[Card, tuple[tuple[str, str], ...]], ...]


def write(data: Dataset, path: Path, *, name: str, config: ReportConfig | None = None, force: bool = False) -> None:
    """Write the report of a dataset, called `name` on it, to `path`; it appears when it is whole.

    Raises:
        InputError: the path exists (unless `force`) or cannot be written, a cut of the preset is no expression.
        RushesError: a file of the dataset is damaged.
    """
    page = html(data, name=name, config=config)
    with replacing(path, force=force) as draft:
        draft.write_text(page, encoding="utf-8")


def html(data: Dataset, *, name: str, config: ReportConfig | None = None) -> str:
    """Return the report as text; see `write`."""
    config = config or ReportConfig()
    selection, rows = data.selection(), data.current_rows()
    facts = overview(data, selection=selection, rows=rows)
    album = Album(data=data, rows=rows, ink=Ink(left=round(config.pictures_mb * 1e6)))
    table = select.measured(data.clips(), rows, data.sources())
    cuts = {cut: compared.terms(claim) for cut, claim in data.config.select.cuts.items()}
    # In the order of a reader's interest, for pictures may run out.
    kept = _kept(selection, table, album, config.kept)
    sheets = _sheets(selection, table, album, cuts, config)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(size=size, length=length, printable=printable, thousands=lambda n: f"{n:,}")
    return environment.get_template(TEMPLATE).render(
        name=printable(name, 120),
        version=__version__,
        facts=facts,
        slugs={step["reason"]: f"reason-{number}" for number, step in enumerate(facts["funnel"])},
        sheets=sheets,
        kept=kept,
        pairs=_pairs(selection, album, config.pairs),
        scores=_scores(table, selection, cuts),
        words=[*_words(table, selection), *_fields(rows, selection)],
        joins=album.joins(config.transitions),
        failed=_failed(data, config.sources),
    )


def spread(items: Sequence[Any], num: int) -> list[Any]:
    """Return at most `num` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= num:
        return list(items)
    if num < 2:
        return list(items[:num])
    return [items[round(i * (len(items) - 1) / (num - 1))] for i in range(num)]


def _kept(selection: pa.Table, table: pa.Table, album: Album, num: int) -> list[Card]:
    """Return cards of kept clips: the first by id, which is a hash and so a fair draw; one a source while there are."""
    kept = table.select(["clip_id", "source"]).filter(selection["kept"])
    pairs = sorted(zip(kept["clip_id"].to_pylist(), kept["source"].to_pylist(), strict=True))
    seen = Counter[str]()
    first: list[str] = []
    later: list[str] = []
    for clip_id, source in pairs:
        (later if seen[source] else first).append(clip_id)
        seen[source] += 1
    chosen = [*first, *later][:num]
    cards = album.cards(chosen)
    return [cards[clip_id] for clip_id in chosen]


def _sheets(
    selection: pa.Table,
    table: pa.Table,
    album: Album,
    cuts: dict[str, list[compared.Term]],
    config: ReportConfig,
) -> list[Sheet]:
    """Return a sheet for every reason that dropped a clip, most clips first."""
    against = against_by_reason(selection)
    first = Counter(reason for reason in selection["reason"].to_pylist() if reason)
    reasons = sorted((r for r in against if r != DUPLICATE), key=lambda r: (-first[r], -len(against[r]), r))
    reasons = reasons[: config.reasons]
    each = min(config.per_reason, max(1, config.sheets // max(1, len(reasons))))
    values = compared.numbers(table, [term.value for terms in cuts.values() for term in terms])
    ids = table["clip_id"].to_pylist()
    chosen = {reason: spread(_nearest_first(against[reason], cuts.get(reason, []), values), each) for reason in reasons}
    cards = album.cards(ids[i] for rows in chosen.values() for i in rows)
    sheets = []
    for reason in reasons:
        cut = reason.removesuffix(NOT_MEASURED)
        terms, rows = cuts.get(cut, []), chosen[reason]
        named = compared.words(table, [term.value for term in terms], rows)
        numbers = [
            tuple((term.name, named[term.value][place]) for term in terms if term.value in named)
            for place in range(len(rows))
        ]
        drawn = [] if reason != cut else _drawn(terms, values, against[reason])
        sheets.append(
            Sheet(
                reason=reason,
                claim=album.data.config.select.cuts.get(cut, ""),
                is_unmeasured=reason != cut,
                first=first[reason],
                at_all=len(against[reason]),
                charts=tuple(drawn),
                clips=tuple((cards[ids[i]], own) for i, own in zip(rows, numbers, strict=True)),
            )
        )
    return sheets


def against_by_reason(selection: pa.Table) -> dict[str, np.ndarray]:
    """Return the rows, int64 `[n]` ascending, that each reason speaks against."""
    lists = selection["reasons"].combine_chunks()
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    reasons = pc.list_flatten(lists).to_numpy(zero_copy_only=False)
    return {str(reason): rows[reasons == reason] for reason in sorted(set(reasons.tolist()))}


def _nearest_first(rows: np.ndarray, terms: list[compared.Term], values: dict[str, np.ndarray]) -> list[int]:
    """Return rows so that those that a cut dropped by the least come first: by the first term that has a bound."""
    for term in terms:
        if term.bounds and term.value in values:
            far = np.min([np.abs(values[term.value][rows] - bound) for bound in term.bounds], axis=0)
            return rows[np.argsort(far, kind="stable")].tolist()
    return rows.tolist()


def _drawn(terms: list[compared.Term], values: dict[str, np.ndarray], rows: np.ndarray) -> list[Chart]:
    """Return (name, histogram, how many were not measured) of each term of a cut; what it drops is marked."""
    drawn = []
    for term in terms:
        if term.value not in values:
            continue
        own = values[term.value]
        good = np.ones(len(own), bool)
        good[rows] = False
        svg = charts.histogram(own, good, bounds=term.bounds, label=f"histogram of {term.name} with the cut")
        drawn.append((term.name, svg, int(np.isnan(own).sum())))
    return drawn


def _pairs(selection: pa.Table, album: Album, num: int) -> list[tuple[Card, Card, str]]:
    """Return duplicates beside what they repeat, with their likeness, from the least alike to the most alike."""
    found = selection.filter(pc.is_valid(selection["duplicate_of"]))
    rows = found.select(["similarity", "clip_id", "duplicate_of"]).to_pylist()
    rows.sort(key=lambda row: (row["similarity"] or 0.0, row["clip_id"]))
    chosen = spread(rows, num)
    cards = album.cards(row[name] for row in chosen for name in ("clip_id", "duplicate_of"))
    return [
        (cards[row["duplicate_of"]], cards[row["clip_id"]], f"{row['similarity'] or 0:.3f}")
        for row in chosen
        if row["duplicate_of"] in cards
    ]


def _scores(
    table: pa.Table, selection: pa.Table, cuts: dict[str, list[compared.Term]]
) -> list[tuple[str, list[Chart], list[tuple[str, str]]]]:
    """Return (stage, histograms, what has one value on every clip) of all numbers; what a cut draws is left out."""
    is_drawn = {term.name for terms in cuts.values() for term in terms}
    wanted: dict[str, list[tuple[str, str]]] = {"clips": [(name, name) for name in OWN_SCORES]}
    for column in table.schema:
        if pa.types.is_struct(column.type) and column.name != "sources":
            inner = [field.name for field in column.type if _is_number(field.type)]
            wanted[column.name] = [(f"{column.name}.{name}", f'"{column.name}"."{name}"') for name in inner]
    values = compared.numbers(table, [sql for named in wanted.values() for _, sql in named])
    kept = selection["kept"].to_numpy(zero_copy_only=False).astype(bool)
    scores = []
    for stage, named in wanted.items():
        drawn, constant = [], []
        for name, sql in named:
            finite = values[sql][np.isfinite(values[sql])] if sql in values and name not in is_drawn else np.empty(0)
            if finite.size and finite.min() == finite.max():
                constant.append((name, charts.number(float(finite[0]))))
            elif finite.size:
                svg = charts.histogram(values[sql], kept, label=f"histogram of {name}")
                drawn.append((name, svg, len(kept) - finite.size))
        if drawn or constant:
            scores.append((stage, drawn, constant))
    return scores


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _words(table: pa.Table, selection: pa.Table) -> list[Tally]:
    """Return the tallies of the columns that hold few different words; sentences and JSON are none."""
    columns: list[tuple[str, pa.Array]] = [(name, table[name].combine_chunks()) for name in OWN_WORDS]
    for column in table.schema:
        if pa.types.is_struct(column.type) and column.name != "sources":
            own = table[column.name].combine_chunks()
            words = [f for f in column.type if pa.types.is_string(f.type) or pa.types.is_boolean(f.type)]
            words = [f for f in words if f.name not in CAPTION_COLUMNS]
            columns += [(f"{column.name}.{f.name}", pc.struct_field(own, f.name)) for f in words]
    found = []
    for name, values in columns:
        seen = Counter(dict(_counted(values)))
        kept = dict(_counted(values.filter(selection["kept"].combine_chunks())))
        if seen and len(seen) <= MOST_VALUES and not any(word.startswith(("[", "{")) for word in seen):
            found.append((name, [(w, n, kept.get(w, 0)) for w, n in seen.most_common(SHOWN_VALUES)]))
    return found


def _counted(values: pa.Array) -> list[tuple[str, int]]:
    rows = pc.value_counts(values.cast(pa.string())).to_pylist()
    return [(printable(row["values"], 60), row["counts"]) for row in rows if row["values"] is not None]


def _fields(rows: Mapping[str, pa.Table], selection: pa.Table) -> list[Tally]:
    """Return the commonest values of every field in the JSON that captioners wrote, all clips and those kept."""
    kept = set(selection.filter(selection["kept"])["clip_id"].to_pylist())
    found = []
    for stage, own in rows.items():
        if "fields" not in own.column_names:
            continue
        seen: dict[str, Counter[str]] = {}
        among: dict[str, Counter[str]] = {}
        for clip_id, text in zip(own["clip_id"].to_pylist(), own["fields"].to_pylist(), strict=True):
            for name, value in _said(text):
                seen.setdefault(name, Counter())[value] += 1
                among.setdefault(name, Counter())[value] += clip_id in kept
        for name, values in sorted(seen.items()):
            table = [(value, count, among[name][value]) for value, count in values.most_common(SHOWN_VALUES)]
            found.append((f"{stage}: {printable(name, 60)}", table))
    return found


def _said(text: str | None) -> list[tuple[str, str]]:
    """Return (field, value) of every word in a caption's JSON, without its numbers; what is no JSON says nothing."""
    try:
        fields = json.loads(text or "{}")
    except ValueError:
        return []
    waiting, found = list(fields.items()) if isinstance(fields, dict) else [], []
    while waiting:
        name, value = waiting.pop(0)
        if isinstance(value, dict):
            waiting += [(f"{name} {inner}", own) for inner, own in value.items()]
        elif isinstance(value, list):
            waiting += [(name, own) for own in value]
        elif isinstance(value, str) and value:
            found.append((str(name), printable(value, 60)))
    return found


def _failed(data: Dataset, num: int) -> tuple[list[dict[str, Any]], int]:
    """Return the sources about which there is something to say, at most `num`, of every outcome; how many there are."""
    sources = data.sources()
    is_odd = pc.or_(pc.not_equal(sources["outcome"], "ok"), pc.greater(pc.utf8_length(sources["reason"]), 0))
    rows = sources.filter(is_odd).select(["uri", "outcome", "reason", "num_bytes", "num_clips"]).to_pylist()
    rows.sort(key=lambda row: (row["outcome"] == "ok", row["outcome"], row["uri"] or ""))
    by_outcome: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        row = {**row, "uri": printable(file_of(row["uri"] or ""), 200), "reason": printable(row["reason"] or "", 300)}
        by_outcome.setdefault(row["outcome"], []).append(row)
    each = max(1, num // max(1, len(by_outcome)))
    shown = [row for own in by_outcome.values() for row in own[: each if len(rows) > num else None]]
    return shown, len(rows)
