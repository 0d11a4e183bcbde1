"""How closely films follow edges, sketches and depths: python benchmarks/laid_out.py --num 24.

Each is taken off the first frame of a held-out scene of the paper world; the film is asked for with the scene's
prompt, with it and without it. Lines: the share of the given lines (at the view's size) that have a line of the film's
first frame within two pixels, and the share of the film's that have a given one. Subject: how far its middle is from
where it was, in its sides.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import click
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from rushes import layouts
from rushes.evaluate import prompts
from rushes.evaluate.prompts import Case
from rushes.generate import Generator
from rushes.models._structured import structure_of
from rushes.tiers import TIERS, plan
from rushes.types import Condition, GenerationRequest
from rushes.world.backdrop import backdrop
from rushes.world.layout import layout
from rushes.world.render import render, subject_mask
from rushes.world.scene import SceneFilters

WIDE, HIGH, SECONDS = 256, 144, 3.0
HARD = 0.5  # of a line
NEAR = 2  # view pixels
STANDING = 170  # of 255: how near a subject is, in depths


def depths(case: Case, mask: np.ndarray) -> np.ndarray:
    """Return how near everything in a scene's first frame is, uint8 `[h w 3]`."""
    scene = case.scene
    depth = backdrop(scene.place, scene.variant, scene.time, scene.weather)[..., 3]
    places = []
    for num, reach, most in zip((HIGH, WIDE), layouts.reach(9, 16)[::-1], depth.shape, strict=True):
        at = ((np.arange(num) + 0.5) / num * 2 - 1) * reach * layouts.BACKDROP_UNIT_PX + most / 2
        places.append(at.astype(int).clip(0, most - 1))
    shown = depth[places[0]][:, places[1]] * (1 - mask) + STANDING * mask
    return np.repeat(shown.astype(np.uint8)[..., None], 3, 2)


def given(case: Case) -> dict[str, np.ndarray]:
    """Return what a film can be asked to be laid out like, uint8 `[h w 3]`, by its kind."""
    frame = render(case.scene, height=HIGH, width=WIDE, times_s=[0.0])[0]
    mask = subject_mask(case.scene, rows=HIGH, cols=WIDE, height=HIGH, width=WIDE, times_s=[0.0])[0]
    hard = (structure_of("edges", frame)[0] > HARD).numpy()
    drawing = np.repeat(np.where(hard, 0, 255).astype(np.uint8)[..., None], 3, 2)
    return {"edges": frame, "sketch": drawing, "depth": depths(case, mask)}


def agreement(frame: np.ndarray, wanted: Tensor) -> tuple[float, float]:
    """Return the recall and the precision of a frame's lines, where `wanted [h w]` are lines."""
    small = np.array(Image.fromarray(frame).resize((WIDE, HIGH), Image.Resampling.BOX))
    made = structure_of("edges", small)[0] > HARD
    near = [F.max_pool2d(one[None, None].float(), 2 * NEAR + 1, 1, NEAR)[0, 0] > 0 for one in (made, wanted)]
    return float(near[0][wanted].float().mean()), float(near[1][made].float().mean()) if made.any() else 0.0


@click.command()
@click.option("--num", default=24)
@click.option("--weights", type=click.Path(path_type=Path), default=Path("weights"))
@click.option("--threads", default=1)
@click.option("--out", type=click.Path(path_type=Path), help="Save what was given and what was made, side by side.")
def main(num: int, weights: Path, threads: int, out: Path | None) -> None:
    """Print a table, a row for each way of asking."""
    generator, tier = Generator.load(weights, threads=threads), TIERS["short"]
    filters = SceneFilters(num_subjects_weights=(1.0, 0.0), durations_s=(SECONDS,))
    rows: dict[str, list[tuple[float, float, float]]] = {}
    sheet, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for index, case in enumerate(prompts.draw(num, 7, filters, split="test")):
            pictures = given(case)
            lines = structure_of("edges", pictures["edges"])[0] > HARD
            truth = layout(case.scene, layouts.times(SECONDS))[0, layouts.columns(0)]
            cells = [pictures["edges"]]
            for kind in ("nothing", *pictures):
                conditions: tuple[Condition, ...] = ()
                if kind in pictures:
                    path = Path(folder) / f"{kind}.png"
                    Image.fromarray(pictures[kind]).save(path)
                    conditions = (Condition(kind=kind, uri=str(path)),)  # type: ignore[arg-type]
                request = GenerationRequest(
                    prompt=case.prompt, shape=tier.shape, fps=tier.fps, num_steps=tier.num_steps, seed=index,
                    guidance_scale=tier.guidance_scale, conditions=conditions,
                )  # fmt: skip
                since = time.process_time()
                film = list(generator.generate(request))
                seconds.append(time.process_time() - since)
                shot = plan(request)
                (lead, *_) = generator.leader.leads(request, shot, None, views(generator, request))
                at = lead.layout[0, layouts.columns(0)].numpy()
                away = float(np.hypot(*(at[:2] - truth[:2]))) / (layouts.USUAL_SIDE * 2 ** float(truth[layouts.SIDE]))
                rows.setdefault(kind, []).append((*agreement(film[0], lines), away))
                cells.append(film[0])
            sheet.append(np.concatenate([np.array(Image.fromarray(cell).resize((320, 180))) for cell in cells], 1))
            click.echo(f"{index + 1} of {num}", err=True)
    if out is not None:
        Image.fromarray(np.concatenate(sheet)).save(out)
    click.echo(
        "| asked with | given lines found | lines that were given | subject: sides away, median | within a third |"
    )
    click.echo("|---|---|---|---|---|")
    for kind, found in rows.items():
        recall, precision, away = np.array(found).T
        shares = (recall.mean(), precision.mean(), (away < 1 / 3).mean())
        click.echo(f"| {kind} | {shares[0]:.0%} | {shares[1]:.0%} | {np.median(away):.2f} | {shares[2]:.0%} |")
    click.echo(f"\n{median(seconds):.1f} CPU seconds a film; {torch.get_num_threads()} threads")


def views(generator: Generator, request: GenerationRequest) -> dict[str, np.ndarray]:
    """Return the pictures that lead a film, as the generator reads them."""
    from rushes import given as read

    return read.views(request, plan(request), generator.cell_px)


if __name__ == "__main__":
    main()
