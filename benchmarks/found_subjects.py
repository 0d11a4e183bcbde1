"""Where is the subject in a given picture: how many does the finder find, how near, and how long does it take?

Held-out scenes of the paper world, some of two subjects, are drawn at one moment, and the picture is read as that a
film begins with: the prompt's own plan says who is sought, the cut-outs and the place are the models'. Counted are
subjects that are in sight. One is found where its middle is within a third of its side; of those that are found, its
side is right within SIDE_WITHIN of an octave, and it faces the right way or not. Prints a markdown table.
"""

from __future__ import annotations

import functools
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from rushes import layouts
from rushes.evaluate.films import request_for
from rushes.evaluate.prompts import Case, draw, filters_of, lasting
from rushes.generate import Generator
from rushes.models import _begun
from rushes.models._begun import WIDEST
from rushes.models._found import Spot, find
from rushes.models._lead import BLANK, planned
from rushes.tiers import plan
from rushes.world.layout import layout
from rushes.world.render import render

NEAR = 1 / 3  # of a side
SIDE_WITHIN = 0.3  # log2
IN_SIGHT = 0.5  # of a subject that fades in or out


@dataclass(frozen=True, slots=True)
class Sought:
    """One subject in sight: how far off it was found, in its sides; its side, log2 too large; whether its facing is."""

    away: float = np.inf
    side: float = np.inf
    faces: bool = False

    @property
    def is_found(self) -> bool:
        return self.away <= NEAR


class Timed:
    """Looks as the finder does, and remembers the seconds that each look took."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, *of: Any) -> Spot:
        begun = time.perf_counter()
        spot = find(*of)
        self.seconds.append(time.perf_counter() - begun)
        return spot


def look(made: Generator, case: Case, at: float) -> list[Sought]:
    """Return what is found of a case's subjects in a picture of it at the share `at` of the film."""
    request = request_for(case, "short")
    shot, leader = plan(request), made.leader
    scene, reach, t_s = lasting(case.scene, shot.seconds), layouts.reach(shot.rows, shot.columns), at * shot.seconds
    picture = render(scene, height=shot.rows * made.cell_px, width=shot.columns * made.cell_px, times_s=[t_s])
    place, usual = functools.partial(leader._place, request, WIDEST), planned(leader.planner, request, shot, BLANK)
    row = _begun.begun({"first": picture}, shot, place, leader._cutouts(request, None)[0], usual).rows[0].numpy()
    found, truth = [], layout(scene, [t_s], reach[0])[0]
    for index in range(len(scene.subjects)):
        true, seen = truth[layouts.columns(index)], row[layouts.columns(index)]
        if true[layouts.PRESENT] < IN_SIGHT or abs(true[layouts.X]) > reach[0] or abs(true[layouts.Y]) > reach[1]:
            continue
        if np.isnan(seen[layouts.X]):
            found.append(Sought())
            continue
        side = layouts.USUAL_SIDE * 2 ** float(true[layouts.SIDE])
        away = float(np.hypot(seen[layouts.X] - true[layouts.X], seen[layouts.Y] - true[layouts.Y])) / side
        faces = bool(seen[layouts.FACING] * true[layouts.FACING] > 0)
        found.append(Sought(away, float(seen[layouts.SIDE] - true[layouts.SIDE]), faces))
    return found


@click.command(help=__doc__)
@click.option("--weights", type=click.Path(path_type=Path, exists=True), default=Path("weights"), show_default=True)
@click.option("--num", type=click.IntRange(min=1), default=64, help="Scenes.", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=2, show_default=True)
@click.option("--twos", type=click.FloatRange(0, 1), default=0.2, help="Share of two subjects.", show_default=True)
@click.option("--at", type=click.FloatRange(0, 1), default=0.0, help="When, in shares of the film.", show_default=True)
def main(weights: Path, num: int, seed: int, twos: float, at: float) -> None:
    made = Generator.load(weights, device="cpu", threads=1)
    filters = replace(filters_of(weights / "film"), num_subjects_weights=(1 - twos, twos))
    timed = _begun.find = Timed()
    with torch.inference_mode():
        found = [one for case in draw(num, seed, filters) for one in look(made, case, at)]
    near = [one for one in found if one.is_found]
    if not near:
        raise click.ClickException(f"none of {len(found)} subjects in sight was found")
    print(f"{len(found)} subjects in sight of {num} held-out scenes of seed {seed}, at {at:g} of each film\n")
    print("| what | of them |\n| --- | --- |")
    print(f"| taken to be somewhere | {sum(np.isfinite(one.away) for one in found) / len(found):.0%} |")
    print(f"| within a third of a side | {len(near) / len(found):.0%} |")
    print(f"| median, of those found, in sides | {statistics.median(one.away for one in near):.3f} |")
    print(f"| side right, of those found | {statistics.mean(abs(one.side) <= SIDE_WITHIN for one in near):.0%} |")
    print(f"| facing right, of those found | {statistics.mean(one.faces for one in near):.0%} |")
    print(f"| seconds each, one core | {statistics.median(timed.seconds):.2f} |")


if __name__ == "__main__":
    main()
