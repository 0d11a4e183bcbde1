"""The overview of a dataset in plain values: how many clips are left after each cut, hours, sizes, stages, shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from rushes.data import select
from rushes.data.dataset import Dataset
from rushes.data.select import DUPLICATE, NOT_MEASURED

BAR = 24  # characters
REASONS = 5  # per outcome of sources
BUCKETS = 8


def overview(
    data: Dataset, *, selection: pa.Table | None = None, rows: Mapping[str, pa.Table] | None = None
) -> dict[str, Any]:
    """Return what is in a dataset as JSON values: `sources`, `clips`, `funnel`, `stages`, `files`.

    `funnel` has a step per reason in the order of the cuts: how many clips it dropped first, at all, and how many were
    left then. Sizes are in bytes, lengths in seconds. `selection` and `rows` spare reading `data.selection()` and
    `data.current_rows()` again.

    Raises:
        InputError: a cut of the preset is no legal expression.
        RushesError: a file of the dataset is damaged.
    """
    selection = data.selection() if selection is None else selection
    rows = data.current_rows() if rows is None else rows
    return {
        "sources": _sources(data),
        "clips": _clips(data, selection),
        "funnel": steps(data, selection),
        "stages": _stages(data, rows),
        "files": _files(data),
        "digest": data.digest(),
    }


def steps(data: Dataset, selection: pa.Table) -> list[dict[str, Any]]:
    """Return one step per reason that a clip can be dropped for, in order: reason, claim, first, any, left."""
    funnel, cuts = select.funnel(selection), data.config.select.cuts
    known = [reason for cut in cuts for reason in (cut, cut + NOT_MEASURED)]
    known += [DUPLICATE] if data.config.select.drop_duplicates else []
    known += sorted(set(funnel["any"]) - set(known))
    left, found = funnel["seen"], []
    for reason in known:
        if reason.endswith(NOT_MEASURED) and reason not in funnel["any"]:
            continue
        left -= funnel["first"].get(reason, 0)
        found.append(
            {
                "reason": reason,
                "claim": cuts.get(reason.removesuffix(NOT_MEASURED), ""),
                "first": funnel["first"].get(reason, 0),
                "any": funnel["any"].get(reason, 0),
                "left": left,
            }
        )
    return found


def _sources(data: Dataset) -> dict[str, Any]:
    sources = data.sources()
    outcomes = sources["outcome"].to_pylist()
    reasons: dict[str, Counter[str]] = {outcome: Counter() for outcome, _ in Counter(outcomes).most_common()}
    for outcome, reason in zip(outcomes, sources["reason"].to_pylist(), strict=True):
        reasons[outcome][reason or ""] += 1
    return {
        "seen": sources.num_rows,
        "outcomes": {outcome: found.total() for outcome, found in reasons.items()},
        "reasons": {
            outcome: dict(named.most_common(REASONS))
            for outcome, found in reasons.items()
            if (named := Counter({reason: count for reason, count in found.items() if reason}))
        },
        "num_bytes": pc.sum(sources["num_bytes"]).as_py() or 0,
        "duration_s": pc.sum(sources["duration_s"]).as_py() or 0.0,
    }


def _clips(data: Dataset, selection: pa.Table) -> dict[str, Any]:
    clips = data.clips()
    kept = clips.filter(selection["kept"])
    return {
        "seen": clips.num_rows,
        "kept": kept.num_rows,
        "seen_s": pc.sum(clips["duration_s"]).as_py() or 0.0,
        "kept_s": pc.sum(kept["duration_s"]).as_py() or 0.0,
        "kept_frames": pc.sum(kept["frames"]).as_py() or 0,
        "num_bytes": pc.sum(clips["num_bytes"]).as_py() or 0,
        "kept_bytes": pc.sum(kept["num_bytes"]).as_py() or 0,
        "how": dict(Counter(clips["how"].to_pylist()).most_common()),
        "buckets": dict(Counter(kept["bucket"].to_pylist()).most_common(BUCKETS)),
        "clusters": len(set(pc.drop_null(selection["cluster"]).to_pylist())),
    }


def _stages(data: Dataset, rows: Mapping[str, pa.Table]) -> list[dict[str, Any]]:
    """Return per stage and version how many of the clips it measured, and why it could not measure others."""
    found, num_clips = [], data.clips().num_rows
    current = {stage: own["version"][0].as_py() for stage, own in rows.items() if own.num_rows}
    for stage, versions in data.stages().items():
        for version in versions:
            measured, failed = 0, Counter[str]()
            for path in data.ledger.paths(f"stages/{stage}@{version}/{data.cutting}/"):
                table = data.ledger.table(path, columns=["outcome", "reason"])
                for outcome, reason in zip(table["outcome"].to_pylist(), table["reason"].to_pylist(), strict=True):
                    measured += outcome == "ok"
                    if outcome != "ok":
                        failed[reason or outcome] += 1
            found.append(
                {
                    "stage": stage,
                    "version": version,
                    "is_current": current.get(stage) == version,
                    "measured": measured,
                    "failed": failed.total(),
                    "missing": num_clips - measured - failed.total(),
                    "reasons": dict(failed.most_common(REASONS)),
                }
            )
    return found


def _files(data: Dataset) -> dict[str, dict[str, int]]:
    """Return how many files of each kind the dataset has, and their bytes."""
    found: dict[str, dict[str, int]] = {}
    for entry in data.ledger.entries.values():
        kind = found.setdefault(entry.kind, {"num": 0, "num_bytes": 0})
        kind["num"] += 1
        kind["num_bytes"] += entry.num_bytes
    return dict(sorted(found.items(), key=lambda item: (-item[1]["num_bytes"], item[0])))


def printable(text: str, most: int = 240) -> str:
    """Return text that is safe to show on one line: what cannot be printed is spelt out, and its middle left out."""
    found = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return found if len(found) <= most else f"{found[: most // 2]} ... {found[-most // 2 + 5 :]}"


def file_of(uri: str) -> str:
    """Return the path that a `file://` address stands for, bytes that are no text spelt out; other addresses as is."""
    return unquote(uri.removeprefix("file://"), errors="backslashreplace") if uri.startswith("file://") else uri


def name_of(uri: str) -> str:
    """Return the last part of an address, fit to print."""
    path = file_of(uri).rstrip("/")
    return printable(path.rsplit("/", 1)[-1] or path, 80)


def size(num_bytes: float) -> str:
    """Return a number of bytes as people read it: `12.3 MB` (of 1,000,000 bytes)."""
    value, units = float(num_bytes), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} bytes" if units[0] == "bytes" else f"{value:.3g} {units[0]}"


def length(seconds: float) -> str:
    """Return seconds as people read them: `8.4 s`, `12 min 5 s`, `3.2 h`."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    if seconds < 5999.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    return f"{seconds / 3600:,.1f} h"


def as_text(found: dict[str, Any], name: str) -> str:
    """Return the overview for a terminal; `name` says which dataset it is."""
    clips, sources = found["clips"], found["sources"]
    share = f" ({100 * clips['kept'] / clips['seen']:.0f} %)" if clips["seen"] else ""
    lines = [
        printable(name),
        f"  {clips['kept']:,} of {clips['seen']:,} clips kept{share}: {length(clips['kept_s'])}, "
        f"{clips['kept_frames']:,} frames, {size(clips['kept_bytes'])}",
        f"  from {sources['seen']:,} sources: {length(sources['duration_s'])}, {size(sources['num_bytes'])}",
        "",
        "Sources",
        *_source_lines(sources),
        "",
        *_funnel_lines(found),
    ]
    if clips["seen"]:
        how = ", ".join(f"{count:,} {name}" for name, count in clips["how"].items())
        lines += ["", "Clips", f"  cut by  {how}"]
        lines += [f"  kept    {count:,} of {bucket}" for bucket, count in clips["buckets"].items()]
    lines += ["", "Stages", *_stage_lines(found["stages"]), "", "Files"]
    lines += [f"  {kind['num']:>7,}  {size(kind['num_bytes']):>9}  {what}" for what, kind in found["files"].items()]
    return "\n".join(lines)


def _source_lines(sources: dict[str, Any]) -> list[str]:
    lines = []
    for outcome, count in sources["outcomes"].items():
        lines.append(f"  {count:>7,}  {outcome}")
        named = sources["reasons"].get(outcome, {})
        lines += [f"           {times:>5,}  {printable(reason, 150)}" for reason, times in named.items()]
        others = count - sum(named.values())
        lines += [f"           {others:>5,}  others"] if named and others else []
    return lines or ["  none yet"]


def _funnel_lines(found: dict[str, Any]) -> list[str]:
    seen, left = found["clips"]["seen"], found["clips"]["kept"]
    if not seen:
        return ["Funnel", "  no clips yet"]
    wide = max([len("kept"), *(len(printable(step["reason"], 40)) for step in found["funnel"])])
    lines = [f"Funnel{'':{wide + BAR - 2}}     left   dropped  at all"]
    lines.append(f"  {'seen':{wide}}  {'#' * BAR}  {seen:>7,}")
    for step in found["funnel"]:
        bar = "#" * round(BAR * step["left"] / seen)
        numbers = f"{step['left']:>7,}  {step['first']:>8,}  {step['any']:>6,}"
        lines.append(f"  {printable(step['reason'], 40):{wide}}  {bar:{BAR}}  {numbers}  {step['claim']}".rstrip())
    lines.append(f"  {'kept':{wide}}  {'#' * round(BAR * left / seen):{BAR}}  {left:>7,}")
    return lines


def _stage_lines(stages: list[dict[str, Any]]) -> list[str]:
    lines = []
    for stage in stages:
        name = f"{stage['stage']}@{stage['version']}"
        remarks = [f"{stage['failed']:,} failed"] if stage["failed"] else []
        remarks += [f"{stage['missing']:,} missing"] if stage["missing"] else []
        remarks += [] if stage["is_current"] else ["not in the present settings"]
        lines.append(f"  {stage['measured']:>7,}  {name}" + (f"  ({', '.join(remarks)})" if remarks else ""))
        lines += [f"           {count:>5,}  {printable(reason, 150)}" for reason, count in stage["reasons"].items()]
    return lines or ["  none"]
