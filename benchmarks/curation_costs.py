"""What would 600 million clips cost, from what curation_rates.py measured on one core: time, money, memory, bottleneck?

    python benchmarks/curation_rates.py -o rates.json
    python benchmarks/curation_costs.py rates.json num_clips=1e7 copied_share=0.9

Rates are measured, everything in `Plan` is assumed, and what follows from both beyond the measured sizes is
extrapolated: no run of this size was made. Networks, object stores and idle workers are not in it.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from rushes.data.settings import PackConfig

DAY_S, TB = 86_400.0, 1e12
SIZES = (1e6, 1e7, 1e8, 6e8)
CORES = (8, 64, 5_000)
Rates = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is assumed. `film` names the measured film that sources are like, `raw_ratio` the seconds read per one kept.

    `mbps` is the bit rate of sources and of copied clips; `copied_share` of the clips need no encoding. A rate of
    captions per GPU, which nobody measured here, moves captions off the cores; 0 leaves them there. Prices are list
    prices of 2026 or near them, in dollars.
    """

    num_clips: float = 600e6
    seconds: float = 5.0
    film: str = "720-libx264.mp4"
    raw_ratio: float = 3.0
    clips_per_source: float = 20.0
    mbps: float = 3.0
    copied_share: float = 0.5
    captions_per_gpu_s: float = 0.0
    core_hour: float = 0.04
    gpu_hour: float = 2.5
    tb_month: float = 20.0
    months: float = 1.0

    @property
    def clip_bytes(self) -> float:
        """Return the bytes of a copied clip."""
        return self.seconds * self.mbps * 1e6 / 8

    @property
    def num_sources(self) -> float:
        """Return how many sources give these clips."""
        return self.num_clips / self.clips_per_source


def kept_bytes(rates: Rates, plan: Plan) -> float:
    """Return the mean bytes of a clip; encoded ones have the bit rate that was measured."""
    encoded = plan.seconds * rates["cutting"]["whole_mbps"] * 1e6 / 8
    return plan.copied_share * plan.clip_bytes + (1 - plan.copied_share) * encoded


def num_parts(rates: Rates, plan: Plan) -> float:
    """Return how many parts the clips make, each closed at the preset's size."""
    return plan.num_clips * kept_bytes(rates, plan) / (PackConfig().shard_mb * 2**20)


def num_files(rates: Rates, plan: Plan) -> float:
    """Return how many files are committed: per part a shard, clips, sources and each stage, per source an analysis."""
    return num_parts(rates, plan) * (3 + len(rates["stages_s"])) + plan.num_sources


def core_seconds(rates: Rates, plan: Plan) -> dict[str, float]:
    """Return processor seconds a clip of what any number of workers share."""
    film = next(row for row in rates["films"] if row["film"] == plan.film)
    raw_s, length = plan.raw_ratio * plan.seconds, plan.seconds / rates["clip_s"]
    cutting, stages = rates["cutting"], dict(rates["stages_s"])
    found = {
        "intake (SHA-256)": plan.raw_ratio * plan.clip_bytes / 1e6 * rates["intake_s_per_mb"],
        "analysis": raw_s / 60 * film["analysis"],
        "shots": raw_s / 60 * film["shots"],
        "cut: copies": plan.seconds * plan.copied_share * cutting["copy"],
        "cut: encodes": plan.seconds * (1 - plan.copied_share) * cutting["whole"],
        "text": stages.pop("text"),
    }
    caption = stages.pop("caption")
    if not plan.captions_per_gpu_s:
        found["caption (own, CPU)"] = caption
    return {**found, "the other stages": length * sum(stages.values())}


def serial_seconds(rates: Rates, plan: Plan) -> dict[str, float]:
    """Return the processor seconds, of the whole run, of what one process does, as the engine is now."""
    commits, index, parts = rates["commits"], rates["index"], num_parts(rates, plan)
    batches = math.ceil(plan.num_sources / PackConfig().batch_sources)
    return {
        "packing": plan.num_clips * kept_bytes(rates, plan) / 1e6 * rates["packing"]["cpu_s_per_mb"],
        "looking a part's number up": parts * num_files(rates, plan) / 2 * commits["paths_s"],
        "reading the intake again": batches * plan.num_sources / 2 * commits["todo_s"],
        "opening the ledger once": num_files(rates, plan) * commits["open_s"],
        "selection": plan.num_clips * (index["measured_s"] + index["select_s"]),
        "duplicates": plan.num_clips * math.exp(np.polyval(growth(rates), math.log(plan.num_clips))),
    }


def growth(rates: Rates) -> np.ndarray:
    """Return (exponent, constant): the logarithm of duplicates' seconds a clip over that of the number of clips."""
    found = rates["duplicates"][1:]
    sizes, seconds = (np.log([row[name] for row in found]) for name in ("num", "s_per_clip"))
    return np.polyfit(sizes, seconds, 1)


def memory_bytes(rates: Rates, plan: Plan) -> dict[str, float]:
    """Return the memory of one process that each needs at once, as it is now."""
    commits, index = rates["commits"], rates["index"]
    clip = [row["bytes_per_clip"] for row in rates["duplicates"] if row["bytes_per_clip"]][-1]
    return {
        "ledger (every process that opens the dataset)": num_files(rates, plan) * commits["memory_bytes"],
        "intake": plan.num_sources * commits["todo_bytes"],
        "selection": plan.num_clips * (index["measured_bytes"] + index["select_bytes"]),
        "duplicates": plan.num_clips * clip,
        "order of the loader (every training process)": plan.num_clips * index["order_bytes"],
    }


def storage_bytes(rates: Rates, plan: Plan) -> dict[str, float]:
    """Return what lies on disk; stages at the size that parts have."""
    film = next(row for row in rates["films"] if row["film"] == plan.film)
    in_parts = dict(rates["row_bytes"][min(rates["row_bytes"], key=int)])
    hashes, rows = in_parts.pop("hash"), sum(in_parts.values())
    return {
        "sources, while they are kept": plan.num_clips * plan.raw_ratio * plan.clip_bytes,
        "clips": plan.num_clips * kept_bytes(rates, plan),
        "analysis (signals, small pictures)": plan.num_clips * plan.raw_ratio * plan.seconds / 60 * film["kept_bytes"],
        "rows of stage hash": plan.num_clips * hashes,
        "all other rows": plan.num_clips * rows,
        "manifests": num_files(rates, plan) * rates["commits"]["manifest_bytes"],
    }


def money(rates: Rates, plan: Plan) -> dict[str, float]:
    """Return dollars at the plan's prices."""
    core_s = plan.num_clips * sum(core_seconds(rates, plan).values()) + sum(serial_seconds(rates, plan).values())
    sources, *ours = storage_bytes(rates, plan).values()
    found = {
        "cores": core_s / 3600 * plan.core_hour,
        "storage of the dataset": sum(ours) / TB * plan.tb_month * plan.months,
        "storage of its sources": sources / TB * plan.tb_month * plan.months,
    }
    if plan.captions_per_gpu_s:
        found["GPUs (rate not measured)"] = gpu_hours(plan) * plan.gpu_hour
    return found


def gpu_hours(plan: Plan) -> float:
    """Return the hours of GPU that captions take at the plan's rate."""
    return plan.num_clips / plan.captions_per_gpu_s / 3600


def bottleneck(rates: Rates, plan: Plan, cores: int) -> tuple[float, float, str]:
    """Return days of the shared work on `cores`, days of the one process, and the step that takes the longest."""
    shared = {name: plan.num_clips * s / cores for name, s in core_seconds(rates, plan).items()}
    single = serial_seconds(rates, plan)
    longest = max({**shared, **single}.items(), key=lambda item: item[1])[0]
    return sum(shared.values()) / DAY_S, sum(single.values()) / DAY_S, longest


def cost(rates: Rates, plan: Plan) -> str:
    """Return the whole bill as Markdown tables."""
    shared = core_seconds(rates, plan)
    hours = {name: plan.num_clips * s / 3600 for name, s in shared.items()}
    total = sum(hours.values())
    plans = [replace(plan, num_clips=size) for size in SIZES]
    each = [
        _table(
            ("shared by workers", "core-s a clip", "core-hours", "share"),
            [(n, f"{shared[n]:.4f}", f"{h:,.0f}", f"{h / total:.0%}") for n, h in hours.items()]
            + [("all", f"{sum(shared.values()):.3f}", f"{total:,.0f}", "100%")],
        ),
        _table(
            ("cores", "days of shared work", "days of the one process", "longest step"),
            [(f"{n:,}", *_days(*bottleneck(rates, plan, n))) for n in CORES],
        ),
        _by_size("hours of the one process", [serial_seconds(rates, one) for one in plans], 3600.0),
        _by_size("memory, GB", [memory_bytes(rates, one) for one in plans], 1e9),
        _by_size("storage, TB", [storage_bytes(rates, one) for one in plans], TB),
        _by_size("dollars", [money(rates, one) for one in plans], 1.0),
    ]
    counts = f"{num_parts(rates, plan):,.0f} parts, {num_files(rates, plan):,.0f} committed files"
    per_core = kept_bytes(rates, plan) / 1e6 / sum(shared.values())
    fed = [1 / (rates["packing"][name] * per_core) for name in ("cpu_s_per_mb", "wall_s_per_mb")]
    scans = [plan.num_clips * rates["search"][f"{name}_s"] / 3600 for name in ("embedding", "words")]
    lines = [
        f"{counts}; a clip has {kept_bytes(rates, plan) / 1e6:.2f} MB.",
        f"One packer keeps up with {fed[0]:,.0f} cores by its processor time, {fed[1]:,.0f} by the clock.",
        f"One epoch of the loader: {_epochs(rates, plan)} core-hours.",
        f"One search: {scans[0]:.1f} core-hours by embedding, {scans[1]:.1f} by words.",
        f"Duplicates: seconds a clip grow as clips^{growth(rates)[0]:.3f} between {rates['duplicates'][1]['num']:,}"
        f" and {rates['duplicates'][-1]['num']:,}.",
    ]
    if plan.captions_per_gpu_s:
        lines.append(f"Captions: {gpu_hours(plan):,.0f} GPU-hours, at a rate that was not measured.")
    return "\n\n".join([*each, *lines])


def _epochs(rates: Rates, plan: Plan) -> str:
    return ", ".join(f"{name} {plan.num_clips * s / 3600:,.0f}" for name, s in rates["loader_s"].items())


def _days(shared: float, single: float, longest: str) -> tuple[str, str, str]:
    return f"{shared:,.1f}", f"{single:,.1f}", longest


def _by_size(title: str, found: Sequence[Mapping[str, float]], unit: float) -> str:
    rows = [(name, *(_short(one[name] / unit) for one in found)) for name in found[0]]
    whole = ("all", *(_short(sum(one.values()) / unit) for one in found))
    return _table((title, *(f"{size / 1e6:,.0f}M clips" for size in SIZES)), [*rows, whole])


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rates", type=Path, help="what curation_rates.py -o wrote")
    parser.add_argument("assumed", nargs="*", metavar="NAME=VALUE", help=", ".join(f.name for f in fields(Plan)))
    arguments = parser.parse_args()
    given = dict(one.split("=", 1) for one in arguments.assumed)
    changes: dict[str, Any] = {name: value if name == "film" else float(value) for name, value in given.items()}
    plan = replace(Plan(), **changes)
    print(plan, cost(json.loads(arguments.rates.read_text()), plan), sep="\n\n")


if __name__ == "__main__":
    main()
