"""The table of an evaluation: every score with its interval, the oracle's own score beside it, its bar, met or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

BARS = {"place": 0.92, "time": 0.92, "weather": 0.80, "kind": 0.75, "colour": 0.85, "direction": 0.70}
ORACLE_BAR = 0.97
WITHIN = 0.08  # how far another tier may lie below the short one
PSNR_BAR_DB, EDGE_F1_BAR = 30.0, 0.85
PHYSICS_BAR = 0.80
PAIR_BARS = {"kinds": 0.85, "binding": 0.85, "relation": 0.75}
MINUTE_BAR = 0.85  # of what is asked of the last second of a minute
ASKED_AT_END = ("kind", "colour", "place", "together")
NEAR_SEEN = 0.04  # how far held-out combinations may lie below seen ones
HEADINGS = ("what", "score", "95 % interval", "films", "oracle on real films", "bar", "met")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table, as text; `is_met` is None where there is no bar."""

    what: str
    score: str
    interval: str = ""
    films: str = ""
    oracle: str = ""
    bar: str = ""
    is_met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the text under each of HEADINGS."""
        met = {True: "yes", False: "NO", None: ""}[self.is_met]
        return (self.what, self.score, self.interval, self.films, self.oracle, self.bar, met)


def lines(report: dict[str, Any]) -> list[Line]:
    """Return the table of what `rushes.evaluate.run.evaluate` returned."""
    table = _autoencoder(report["autoencoder"]) + [_oracle(row) for row in report["oracle"]]
    short = report["tiers"].get("short")
    for name, tier in report["tiers"].items():
        for position, row in enumerate(tier["scores"]):
            bar = _bar(row["attribute"], None if name == "short" or short is None else short["scores"][position])
            if name != "short" and short is None:
                bar = None
            table.append(_score(name, row, tier["real"][position], bar))
        table += _looks(name, tier)
    table += _exams(report.get("exams", {}), short)
    for judge, said in report.get("preference", {}).items():
        table += [_preferred(judge, row) for row in said["contestants"]]
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _interval(row: dict[str, Any]) -> str:
    return f"{100 * row['low']:.1f} to {100 * row['high']:.1f}" if row["num"] else ""


def _bar(attribute: str, short: dict[str, Any] | None) -> float | None:
    """Return the least share: the issue's for the short tier, 8 points below the short tier's for the others."""
    if attribute not in BARS:
        return None
    if short is None:
        return BARS[attribute]
    return None if short["share"] is None else short["share"] - WITHIN


def _score(tier: str, row: dict[str, Any], real: dict[str, Any], bar: float | None) -> Line:
    return Line(
        what=f"{tier}: {row['attribute']}",
        score=_percent(row["share"]),
        interval=_interval(row),
        films=str(row["num"]),
        oracle=_percent(real["share"]),
        bar="" if bar is None else f">= {100 * bar:.1f} %",
        is_met=None if bar is None or row["share"] is None else row["share"] >= bar - 1e-9,
    )


def _autoencoder(scores: dict[str, Any]) -> list[Line]:
    films = str(scores["num"])
    psnr, f1 = scores["psnr_db"], scores["edge_f1"]
    return [
        Line(
            what="autoencoder at 1280x720: PSNR",
            score=f"{psnr:.2f} dB",
            interval=f"{psnr - 1.96 * scores['psnr_db_error']:.2f} to {psnr + 1.96 * scores['psnr_db_error']:.2f}",
            films=films,
            bar=f">= {PSNR_BAR_DB:.0f} dB",
            is_met=psnr >= PSNR_BAR_DB,
        ),
        Line(
            what="autoencoder at 1280x720: edge-F1",
            score=f"{f1:.3f}",
            interval=f"{f1 - 1.96 * scores['edge_f1_error']:.3f} to {f1 + 1.96 * scores['edge_f1_error']:.3f}",
            films=films,
            bar=f">= {EDGE_F1_BAR}",
            is_met=f1 >= EDGE_F1_BAR,
        ),
    ]


def _oracle(row: dict[str, Any]) -> Line:
    return Line(
        what=f"oracle on real films: {row['attribute']}",
        score=_percent(row["share"]),
        interval=_interval(row),
        films=str(row["num"]),
        bar=f">= {100 * ORACLE_BAR:.0f} %",
        is_met=None if row["share"] is None else row["share"] >= ORACLE_BAR,
    )


def _looks(name: str, tier: dict[str, Any]) -> list[Line]:
    table = []
    distance = tier["kernel_distance"]
    if distance is not None:
        made, floor, ceiling = (distance[side] for side in ("made", "floor", "ceiling"))
        table.append(
            Line(
                what=f"{name}: kernel distance x 1000",
                score=f"{1000 * made['distance']:.1f}",
                interval=f"+- {1000 * made['deviation']:.1f} (halves)",
                films=str(made["num"]),
                oracle=f"real to real {1000 * floor['distance']:.1f} +- {1000 * floor['deviation']:.1f}; "
                f"shuffled to real {1000 * ceiling['distance']:.1f}",
            )
        )
    flickers = tier["flicker"]
    table.append(
        Line(
            what=f"{name}: flicker",
            score=f"{flickers['flicker']:.2f} levels",
            interval=f"{flickers['low']:.2f} to {flickers['high']:.2f}",
            films=str(len(tier["films"])),
            oracle=f"real films {flickers['real']:.2f}",
        )
    )
    same = tier["identity"]
    table.append(
        Line(
            what=f"{name}: identity",
            score=f"{same['identity']:.3f}",
            interval=f"{same['low']:.3f} to {same['high']:.3f}",
            films=str(len(tier["films"])),
            oracle=f"real films {same['real']:.3f}",
        )
    )
    copied = tier["memorisation"]
    if copied is not None:
        near = f"to {copied['num_training']} of training {copied['nearest']:.2f}"
        table.append(
            Line(
                what=f"{name}: memorised",
                score=_percent(copied["share"]),
                interval=_interval(copied),
                films=str(copied["num"]),
                oracle=f"{near}, real {copied['nearest_held_out']:.2f}",
            )
        )
    spent = tier["cost"]
    table.append(
        Line(
            what=f"{name}: one film's cost, without encoding",
            score=f"{spent['cpu_s']:.1f} CPU s" + (f", {spent['energy_j']:.0f} J" if spent.get("energy_j") else ""),
            films="1",
            oracle=f"{spent['seconds']:.1f} s, peak {spent['peak_bytes'] / 2**20:.0f} MiB",
        )
    )
    return table


def _exams(exams: dict[str, Any], short: dict[str, Any] | None) -> list[Line]:
    """Return physics, two subjects, seen combinations, drift and minutes: the real films' score beside each.

    `short` holds the same attributes' scores on held-out combinations.
    """
    table = _paired_exams(exams, short) if "physics" in exams else []
    for name, said in (("drift", "second {}: {}"), ("minutes", "a minute, second {}: {}")):
        part = exams.get(name, {"scores": [], "real": []})
        for row, real in zip(part["scores"], part["real"], strict=True):
            what = said.format(row["second"] + 1, row["attribute"])
            line = _exam({**row, "attribute": what}, _percent(real["share"]))
            is_end = name == "minutes" and row["second"] and row["attribute"] in ASKED_AT_END
            table.append(_barred(line, row, MINUTE_BAR if is_end else None))
    return table


def _paired_exams(exams: dict[str, Any], short: dict[str, Any] | None) -> list[Line]:
    """Return physics, two subjects and seen combinations, which are set together."""
    physics, pairs, seen = exams["physics"], exams["pairs"], exams["seen"]
    errors = {side: "-" if error is None else f"{error:.1%}" for side, error in physics["median_error"].items()}
    tracked = f"median error {errors['real']}, measurable {_percent(physics['real'][0]['share'])}"
    table = [_exam(row, tracked if row["attribute"] == "physics" else "") for row in physics["scores"]]
    table[0] = _barred(table[0], physics["scores"][0], PHYSICS_BAR)
    for row, real in zip(pairs["scores"], pairs["real"], strict=True):
        by_chance = [each["share"] for each in pairs["chance"] if each["attribute"] == row["attribute"]]
        beside = _percent(real["share"]) + "".join(f"; by chance {_percent(share)}" for share in by_chance)
        line = _exam({**row, "attribute": f"two subjects: {row['attribute']}"}, beside)
        table.append(_barred(line, row, PAIR_BARS.get(row["attribute"])))
    held_out = {row["attribute"]: row["share"] for row in short["scores"]} if short else {}
    for row, real in zip(seen["scores"], seen["real"], strict=True):
        line = _exam({**row, "attribute": f"seen combinations: {row['attribute']}"}, _percent(real["share"]))
        share = held_out.get(row["attribute"])
        if share is not None and row["share"] is not None:
            is_near = share >= row["share"] - NEAR_SEEN - 1e-9
            line = replace(line, bar=f"held-out {_percent(share)}: 4 points below at most", is_met=is_near)
        table.append(line)
    return table


def _exam(row: dict[str, Any], beside: str) -> Line:
    score = _percent(row["share"])
    return Line(what=row["attribute"], score=score, interval=_interval(row), films=str(row["num"]), oracle=beside)


def _barred(line: Line, row: dict[str, Any], bar: float | None) -> Line:
    if bar is None or row["share"] is None:
        return line
    return replace(line, bar=f">= {100 * bar:.0f} %", is_met=row["share"] >= bar - 1e-9)


def _preferred(judge: str, row: dict[str, Any]) -> Line:
    name, votes = f"preferred by {judge}: {row['name']}", f"{row['num']} votes"
    return Line(what=name, score=_percent(row["share"]), interval=_interval(row), films=votes)


def as_values(table: Sequence[Line]) -> list[dict[str, Any]]:
    """Return the table as plain JSON values."""
    return [asdict(line) for line in table]


def as_text(table: Sequence[Line]) -> str:
    """Return the table in columns, for a terminal."""
    rows = [HEADINGS, *(line.cells() for line in table)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([padded[0], "-" * max(map(len, padded)), *padded[1:]])


def as_markdown(table: Sequence[Line], report: dict[str, Any]) -> str:
    """Return the table as Markdown, below a line that says what was measured and on what."""
    machine = report["machine"]
    hashes = ", ".join(f"{name} `{digest[:12]}`" for name, digest in report["weights"].items())
    head = (
        f"{report['num']} held-out prompts per tier, seed {report['seed']}; weights {hashes}; "
        f"rushes {report['rushes']}, torch {machine['torch']}, {machine['processor']}, {machine['threads']} threads; "
        f"{report['seconds']:.0f} s."
    )
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(line.cells() for line in table)]
    return "\n".join([head, "", *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
