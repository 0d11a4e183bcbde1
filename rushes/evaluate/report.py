"""The table of an evaluation: every score with its interval, the oracle's own score beside it, its bar, met or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

BARS = {"place": 0.92, "time": 0.92, "weather": 0.80, "kind": 0.75, "colour": 0.85, "direction": 0.70}
ORACLE_BAR = 0.97
WITHIN = 0.08  # how far another tier may lie below the short one
PSNR_BAR_DB, EDGE_F1_BAR = 30.0, 0.85
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
        made, floor = distance["made"], distance["floor"]
        table.append(
            Line(
                what=f"{name}: kernel distance x 1000",
                score=f"{1000 * made['distance']:.1f}",
                interval=f"+- {1000 * made['deviation']:.1f} (halves)",
                films=str(made["num"]),
                oracle=f"real to real {1000 * floor['distance']:.1f} +- {1000 * floor['deviation']:.1f}",
            )
        )
    flickers = tier["flicker"]
    table.append(
        Line(
            what=f"{name}: flicker",
            score=f"{flickers['flicker']:.2f} levels",
            films=str(len(tier["films"])),
            oracle=f"real films {flickers['real']:.2f}",
        )
    )
    return table


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
