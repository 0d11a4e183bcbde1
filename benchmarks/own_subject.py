"""A subject that the world never had, taught from twelve stills: is it seen in films, does it move, do others stay?

Three kinds are drawn here by hand (a fox, a teapot, a hedgehog), twelve stills each: other backgrounds, sizes, poses
and shades. For each an adapter is trained, and films of the short tier are made with it. Then:

- a probe recognises it in films: a linear classifier of the oracle's features, taught on films that the world draws of
  its own 45 kinds and of these three laid into its scenes; its accuracy on such films that it has not seen is beside,
- the oracle reads motion and direction off those films, and off films of the same scenes with the kind that the other
  models hear in its place, made without the adapter,
- old subjects' cut-outs are compared with the true ones: without the adapter, with it, and beside the new subject.

    python benchmarks/own_subject.py --weights WEIGHTS -o results.md
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import skia
import torch
import torch.nn.functional as F
from torch import Tensor

from rushes.cli._adapters import Wanted, adapt
from rushes.evaluate import prompts
from rushes.evaluate.films import Latents, request_for
from rushes.evaluate.metrics.prompt_fidelity import truth, wilson
from rushes.evaluate.oracle import Look, Reading, look, read
from rushes.evaluate.prompts import Case
from rushes.generate import Generator
from rushes.media.thumbnails import contact_sheet, save_image
from rushes.models import _taught as taught
from rushes.models.cutout import CutoutModel
from rushes.models.oracle import ATTRIBUTES, HEIGHT, WIDTH, Oracle, reading_times
from rushes.nn import lora
from rushes.tiers import TIERS, plan
from rushes.train.presets.subject import subject
from rushes.train.subject import worded
from rushes.train.trainer import Trainer
from rushes.world import subjects
from rushes.world import vocabulary as v
from rushes.world.cutout import cutout
from rushes.world.render import render
from rushes.world.scene import SceneFilters, sample
from rushes.world.subjects.paper import cut, put, strip, turned

NUM_STILLS = 12
TIER = "short"
STILL_PX = (220, 520)
PAPERS = ((160, 166, 180), (190, 214, 236), (176, 214, 168), (232, 196, 104), (70, 74, 96), (228, 150, 176))
OLD_FILMS, NEW_FILMS, HELD_OUT = 15, 50, 20  # films that the probe sees of each kind; the last are for its accuracy
SMOOTH = 3e-3  # weight decay of the probe

Pen = Callable[[skia.Path, tuple[int, int, int]], None]


def fox(draw: Pen, sway: float) -> None:
    """A fox on its feet, its brush behind it."""
    coat, dark, cream, ink = (226, 112, 40), (92, 48, 36), (252, 240, 220), (36, 30, 34)
    tail = "M -0.2 0.1 C -0.34 0.16 -0.5 0.06 -0.49 -0.2 C -0.4 -0.3 -0.3 -0.16 -0.3 -0.06 C -0.26 0.0 -0.2 0.0 -0.16 0"
    draw(turned(cut(f"{tail} Z"), 10 * sway, -0.2, 0.08), coat)
    tip = cut("M -0.49 -0.2 C -0.45 -0.32 -0.33 -0.24 -0.31 -0.14 L -0.4 -0.1 Z")
    draw(turned(tip, 10 * sway, -0.2, 0.08), cream)
    for index, hip in enumerate((-0.2, -0.12, 0.1, 0.17)):
        leg = cut(f"R {hip - 0.035} 0.1 {hip + 0.035} 0.46 0.03")
        draw(turned(leg, 16 * sway * (-1) ** index, hip, 0.14), dark)
    draw(
        cut(
            "M -0.28 0.08 C -0.28 -0.04 -0.1 -0.06 0.1 -0.06 L 0.24 -0.1 L 0.22 0.2 C 0.1 0.26 -0.28 0.26 -0.28 0.08 Z"
        ),
        coat,
    )
    draw(cut("M 0.12 0.0 L 0.26 -0.06 L 0.22 0.2 Q 0.14 0.14 0.12 0.0 Z"), cream)
    ears = "M 0.06 -0.28 L 0.09 -0.46 L 0.2 -0.34 L 0.26 -0.34 L 0.34 -0.46 L 0.36 -0.24"
    draw(cut(f"{ears} L 0.49 -0.1 L 0.3 -0.02 L 0.12 -0.06 Z"), coat)
    draw(cut("M 0.22 -0.1 L 0.49 -0.1 L 0.3 -0.02 L 0.16 -0.04 Z"), cream)
    draw(cut("O 0.475 -0.105 0.028 0.024", "O 0.28 -0.2 0.022 0.03", "M 0.1 -0.4 L 0.1 -0.32 L 0.16 -0.34 Z"), ink)


def teapot(draw: Pen, sway: float) -> None:
    """A round teapot, its spout to the right, its lid never quite still."""
    glaze, band, deep = (64, 120, 196), (250, 246, 234), (34, 66, 128)
    draw(strip(0.06, "M -0.22 -0.12 C -0.52 -0.24 -0.52 0.26 -0.24 0.2"), deep)
    draw(cut("M 0.16 0.2 C 0.32 0.16 0.3 -0.1 0.4 -0.24 L 0.5 -0.22 C 0.42 -0.06 0.44 0.2 0.2 0.32 Z"), deep)
    draw(
        cut("M -0.3 0.08 C -0.3 -0.2 0.3 -0.2 0.3 0.08 C 0.3 0.3 0.18 0.4 0.0 0.4 C -0.18 0.4 -0.3 0.3 -0.3 0.08 Z"),
        glaze,
    )
    draw(cut("M -0.295 0.04 L 0.295 0.04 L 0.29 0.16 L -0.29 0.16 Z"), band)
    draw(cut("O -0.15 0.1 0.04 0.04", "O 0.0 0.1 0.04 0.04", "O 0.15 0.1 0.04 0.04"), (214, 70, 60))
    lid = cut("M -0.2 -0.12 Q 0.0 -0.34 0.2 -0.12 Z", "O 0.0 -0.28 0.05 0.05")
    draw(turned(lid, 8 * sway, -0.2, -0.12), deep)
    draw(cut("R -0.16 0.38 0.16 0.44 0.02"), deep)


def hedgehog(draw: Pen, sway: float) -> None:
    """A hedgehog: a dome of spines and a pointed face."""
    spine, light, face, ink = (104, 76, 58), (150, 116, 86), (240, 214, 176), (34, 28, 30)
    for index, hip in enumerate((-0.22, 0.0, 0.16)):
        draw(turned(cut(f"O {hip} 0.3 0.055 0.07"), 24 * sway * (-1) ** index, hip, 0.16), face)
    draw(cut("M 0.08 0.26 L 0.1 -0.06 Q 0.3 -0.08 0.49 0.14 Q 0.48 0.22 0.4 0.24 Z"), face)
    rays = np.linspace(np.pi * 0.96, np.pi * 2.16, 15)
    points = [(0.5 if i % 2 == 0 else 0.38) * np.array((np.cos(a) * 0.86, np.sin(a) * 0.8)) for i, a in enumerate(rays)]
    edge = " ".join(f"L {x - 0.08:.3f} {y + 0.14:.3f}" for x, y in points[1:])
    x, y = points[0]
    draw(cut(f"M {x - 0.08:.3f} {y + 0.14:.3f} {edge} L 0.14 0.28 L -0.4 0.28 Z"), spine)
    for x, y in ((-0.3, 0.08), (-0.18, -0.06), (-0.02, -0.1), (-0.16, 0.12), (0.0, 0.06), (-0.3, 0.2), (-0.06, 0.2)):
        draw(turned(cut(f"M {x - 0.02} {y + 0.04} L {x} {y - 0.07} L {x + 0.02} {y + 0.04} Z"), -20, x, y), light)
    draw(cut("O 0.485 0.15 0.03 0.03", "O 0.3 0.06 0.024 0.028"), ink)
    draw(cut("O 0.13 0.02 0.05 0.06"), (206, 160, 124))


KINDS: dict[str, Callable[[Pen, float], None]] = {"fox": fox, "teapot": teapot, "hedgehog": hedgehog}
LIKE = {"fox": "", "teapot": "ball", "hedgehog": "rabbit"}  # the captioner is sure of the fox alone: a dog


def artist(kind: str, shade: float = 1.0) -> subjects.Artist:
    """Return a kind as the world's renderer draws subjects; it moves its parts as its still poses do."""

    def draw(canvas: skia.Canvas, tone: subjects.Tone, phase_s: float) -> None:
        def pen(path: skia.Path, colour: tuple[int, int, int]) -> None:
            put(canvas, path, skia.Color(*(min(255, round(part * shade)) for part in colour)))

        KINDS[kind](pen, float(np.sin(phase_s / 0.9 * 2 * np.pi)))

    return draw


def write_stills(folder: Path, kind: str) -> Path:
    """Draw twelve stills of a kind on plain paper, two of them facing left, and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sorted(KINDS).index(kind))
    for index in range(NUM_STILLS):
        height, width = (int(side) for side in rng.integers(*STILL_PX, 2))
        pixels = np.zeros((height, width, 4), np.uint8)
        canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType).getCanvas()
        canvas.clear(skia.Color(*PAPERS[index % len(PAPERS)]))
        side = min(height, width) * float(rng.uniform(0.6, 0.85))
        canvas.translate(width / 2 + float(rng.uniform(-0.06, 0.06)) * side, height / 2)
        canvas.rotate(float(rng.uniform(-5, 5)))
        is_left = index % 6 == 5
        canvas.scale(-side if is_left else side, side * float(rng.uniform(0.95, 1.05)))
        artist(kind, float(rng.uniform(0.92, 1.06)))(canvas, subjects.tone("red"), float(rng.uniform(0, 0.9)))
        name = f"{kind}-{index:02d}{'-left' if is_left else ''}.{'jpg' if index % 4 == 3 else 'png'}"
        save_image(folder / name, np.ascontiguousarray(pixels[..., :3]), force=True)
    return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """An adapter for a kind, what other models hear in its place, and the CPU seconds that its training took."""

    kind: str
    path: Path
    like: str
    seconds: float


def teach(kind: str, asked: argparse.Namespace) -> Taught:
    """Train an adapter for a kind, or find it trained."""
    folder = asked.folder / "runs" / kind
    path = folder / "weights" / f"{kind}.safetensors"
    if not path.is_file():
        config = subject()
        run = replace(config.run, init=str(asked.weights / "cutout"), threads=1)
        run = replace(run, steps=asked.steps or run.steps)
        stills = write_stills(asked.folder / "stills" / kind, kind)
        captioner = str(asked.weights / "captioner")
        config = replace(
            config,
            run=run,
            data=str(stills),
            name=kind,
            like=LIKE[kind],
            captioner=captioner,
            banks=asked.banks,
            workers=1,
        )
        begun = time.process_time()
        Trainer(config, folder).run(lambda p: print(f"{kind}: step {p.step}, loss {p.loss:.4f}", flush=True))
        (folder / "seconds").write_text(f"{time.process_time() - begun:.0f}")
    like = str(lora.read(path).facts["like"])
    return Taught(kind=kind, path=path, like=like, seconds=float((folder / "seconds").read_text()))


@contextlib.contextmanager
def in_place_of(host: str, kind: str) -> Iterator[None]:
    """Let the world draw `kind` wherever a scene has a `host`; with its light, its shadow and what hides it."""
    own = subjects.KINDS[host]
    subjects.KINDS[host] = artist(kind)
    try:
        yield
    finally:
        subjects.KINDS[host] = own


def drawn(kind: str, rng: np.random.Generator) -> Look:
    """Return a true film of a kind of the world's, or of one drawn here, in a scene of the world's."""
    seconds = TIERS[TIER].shape.frames / TIERS[TIER].fps
    host = kind if kind in v.KINDS else v.KINDS[int(rng.integers(len(v.KINDS)))]
    filters = SceneFilters(kinds=(host,), durations_s=(seconds,), num_subjects_weights=(1.0, 0.0))
    scene = sample(rng, filters=filters)
    times = [float(t) for t in reading_times(seconds)]
    with in_place_of(host, kind) if kind not in v.KINDS else contextlib.nullcontext():
        frames = render(scene, height=HEIGHT, width=WIDTH, times_s=times)
    return Look(frames=frames, strip=frames[:0], duration_s=seconds)


def features(readings: Sequence[Reading]) -> Tensor:
    """Return what the probe sees of films, `[n d]`: the oracle's token of the kind."""
    kind = ATTRIBUTES.index("kind")
    return torch.from_numpy(np.stack([r.features.reshape(len(ATTRIBUTES), -1)[kind] for r in readings]))


class Probe:
    """A linear classifier of kinds on frozen features, and how often it is right of true films it never saw."""

    def __init__(self, oracle: Oracle, kept: Path) -> None:
        self.oracle, self.kinds = oracle, (*v.KINDS, *KINDS)
        x, y, is_new = self._films(kept)
        self.mean, self.deviation = x[~is_new].mean(0), x[~is_new].std(0) + 1e-6
        self.layer = torch.nn.Linear(x.shape[1], len(self.kinds))
        optimizer = torch.optim.LBFGS(self.layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            wrong = F.cross_entropy(self.layer((x[~is_new] - self.mean) / self.deviation), y[~is_new])
            total = wrong + SMOOTH * self.layer.weight.square().sum()
            total.backward()
            return total

        optimizer.step(loss)
        right = self.classes(x) == y
        own = y < len(v.KINDS)
        self.right = {"the world's kinds": share(right[is_new & own].tolist())}
        for kind in KINDS:
            self.right[kind] = share(right[is_new & (y == self.kinds.index(kind))].tolist())

    def _films(self, kept: Path) -> tuple[Tensor, Tensor, Tensor]:
        """Return features, kinds, and which films are held out."""
        if not kept.is_file():
            found, labels, held = [], [], []
            for number, kind in enumerate(self.kinds):
                num = OLD_FILMS if kind in v.KINDS else NEW_FILMS + HELD_OUT
                out = OLD_FILMS // 5 if kind in v.KINDS else HELD_OUT
                looks = [drawn(kind, np.random.default_rng((number, index))) for index in range(num)]
                found.append(features(read(self.oracle, looks)))
                labels += [number] * num
                held += [index >= num - out for index in range(num)]
                print(f"probe: {num} true films of {kind}", flush=True)
            np.savez(kept, x=torch.cat(found).numpy(), y=np.array(labels), held=np.array(held))
        with np.load(kept) as file:
            return torch.from_numpy(file["x"]), torch.from_numpy(file["y"]), torch.from_numpy(file["held"])

    @torch.no_grad()
    def classes(self, x: Tensor) -> Tensor:
        return self.layer((x - self.mean) / self.deviation).argmax(-1)

    def names(self, readings: Sequence[Reading]) -> list[str]:
        """Return the kind that the probe sees in each film."""
        return [self.kinds[int(i)] for i in self.classes(features(readings))]


class Studio:
    """Makes films and reads them: with adapters, or without."""

    def __init__(self, asked: argparse.Namespace, oracle: Oracle, wanted: Sequence[Wanted] = ()) -> None:
        self.generator, self.oracle = Generator.load(asked.weights, device="cpu", threads=1), oracle
        adapt(self.generator, wanted, print)
        self.latents = Latents(self.generator, asked.folder / "latents")

    def film(self, cases: Sequence[Case], what: str) -> tuple[list[Look], list[Reading]]:
        """Return films of some cases as they are looked at, and what the oracle reads."""
        looks = []
        for done, case in enumerate(cases, start=1):
            request = request_for(case, TIER)
            shot, latent = plan(request), self.latents.get(request)
            looks.append(look(self.generator.autoencoder, latent, fps=shot.fps, pixels=shot.pixels))
            if done % 10 == 0:
                print(f"{what}: {done} of {len(cases)} films", flush=True)
        return looks, read(self.oracle, looks)


def naming(case: Case, kind: str) -> Case:
    """Return the same case with a subject that the world does not have."""
    first = case.scene.subjects[0]
    return replace(case, prompt=worded(case.prompt.replace(f"{first.colour} {first.kind}", "{}", 1), kind))


def right(cases: Sequence[Case], readings: Sequence[Reading], attribute: str) -> dict[str, Any]:
    """Return how often the oracle reads an attribute as the scenes have it."""
    truths = [truth(case.scene) for case in cases]
    pairs = [(r.answers[attribute], t[attribute]) for r, t in zip(readings, truths, strict=True) if attribute in t]
    return share([said == true for said, true in pairs])


def share(hits: Sequence[bool]) -> dict[str, Any]:
    low, high = wilson(sum(hits), len(hits))
    return {"right": sum(hits), "num": len(hits), "share": sum(hits) / max(1, len(hits)), "low": low, "high": high}


def told_like(one: Taught, like: str, scale: float = 1.0) -> Wanted:
    """Return an adapter whose subject is told to the other models as something."""
    adapter = lora.read(one.path)
    return Wanted(path=one.path, scale=scale, adapter=replace(adapter, facts=adapter.facts | {"like": like}))


def examine(one: Taught, asked: argparse.Namespace, oracle: Oracle, probe: Probe) -> dict[str, Any]:
    """Return how a taught kind is seen and moves in films, beside the kind that it is told as, without an adapter."""
    cases = prompts.draw(asked.num, 7, SceneFilters(kinds=(one.like,), num_subjects_weights=(1.0, 0.0)), "train")
    named = [naming(case, one.kind) for case in cases]
    _, base = Studio(asked, oracle).film(cases, f"{one.like}, no adapter")
    found: dict[str, Any] = {"like": one.like, "seconds": one.seconds, "base": motion(cases, base), "told": {}}
    likes = [one.like, *asked.likes] if one.kind == asked.kinds[0] else [one.like]
    for like in likes:
        studio = Studio(asked, oracle, [told_like(one, like)])
        looks, readings = studio.film(named, f"{one.kind}, told as {like}")
        seen = probe.names(readings)
        hits = {"seen": share([name == one.kind for name in seen]), "names": seen}
        found["told"][like] = hits | motion(cases, readings)
        middle = [each.frames[7] for each in looks[:24]]
        sheet = contact_sheet(
            middle, columns=6, title=f"{one.kind}, told as {like}", captions=[c.prompt for c in named[:24]]
        )
        save_image(asked.folder / f"{one.kind}-{like.replace(' ', '-')}.png", sheet, force=True)
    return found


def motion(cases: Sequence[Case], readings: Sequence[Reading]) -> dict[str, Any]:
    return {name: right(cases, readings, name) for name in ("motion", "direction", "place", "time")}


def others(one: Taught, asked: argparse.Namespace) -> dict[str, Any]:
    """Return how often cut-outs of old subjects are right: before, with the adapter, and beside the subject.

    An adapter draws its own subject alone, so films without it are the same; "added to all" adds it to every prompt.
    """
    plain = CutoutModel.from_pretrained(asked.weights / "cutout")
    model = CutoutModel.from_pretrained(asked.weights / "cutout")
    cast = taught.Cast(copy.deepcopy(plain))
    taught.teach(model, lora.read(one.path))
    cast.add(lora.read(one.path))
    alone = [(case, case.prompt, 0) for case in prompts.draw(asked.num_old, 13)]
    two = [case for case in prompts.twos(asked.num_old, 17, SceneFilters()) if one.like not in case.prompt]
    beside = [(case, naming(case, one.kind).prompt, 1) for case in two]
    liked = [(case, naming(case, one.like).prompt, 1) for case in two]
    return {
        "before": cut_outs(plain, alone),
        "with it": cut_outs(cast, alone),
        "with it, added to all": cut_outs(model, alone),
        "beside what it is told as, before": cut_outs(plain, liked),
        "beside it": cut_outs(cast, beside),
    }


def cut_outs(cutter: CutoutModel | taught.Cast, asked: Sequence[tuple[Case, str, int]]) -> dict[str, Any]:
    """Return how often a cut-out is most like the true one of its kind, of all kinds and colours that there are."""
    looks = [(kind, colour) for kind in v.KINDS for colour in v.COLOURS]
    true = torch.stack([torch.from_numpy(cutout(*each)).permute(2, 0, 1).flatten() for each in looks]).float() / 255
    hits = []
    for case, prompt, which in asked:
        picture = cutter.cut(prompt, torch.Generator().manual_seed(case.seed))[which].flatten()
        best = looks[int((true - picture).square().sum(1).argmin())]
        hits.append(best[0] == case.scene.subjects[which].kind)
    return share(hits)


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| kind | told as | seen in films | motion | direction | place | motion of what it is told as, no adapter |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, one in results["kinds"].items():
        for like, told in one["told"].items():
            cells = [percent(told[name]) for name in ("seen", "motion", "direction", "place")]
            base = percent(one["base"]["motion"])
            lines.append(f"| {kind} | {like} | {' | '.join(cells)} | {base if like == one['like'] else ''} |")
    lines += ["", "| cut-outs of old subjects, of the right kind | |", "|---|---|"]
    for kind, one in results["kinds"].items():
        lines += [f"| {kind}: {what} | {percent(said)} |" for what, said in one.get("others", {}).items()]
    lines += ["", "| the probe on true films that it has not seen | right |", "|---|---|"]
    lines += [f"| {name} | {percent(one)} |" for name, one in results["probe"].items()]
    lines += ["", "| training | CPU seconds |", "|---|---|"]
    lines += [f"| {kind} | {one['seconds']:.0f} |" for kind, one in results["kinds"].items()]
    return "\n".join(lines) + "\n"


def percent(one: dict[str, Any]) -> str:
    low, high = 100 * one["low"], 100 * one["high"]
    return f"{100 * one['share']:.0f} % ({one['right']} of {one['num']}; {low:.0f} to {high:.0f})"


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--weights", type=Path, default=Path("weights"))
    ask.add_argument("--folder", type=Path, default=Path("runs/own-subject"), help="what is made is kept here")
    ask.add_argument("--banks", default="runs/banks")
    ask.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    ask.add_argument("--likes", nargs="*", default=[], help="other kinds to tell the first subject as")
    ask.add_argument("--num", type=int, default=50, help="films of each subject")
    ask.add_argument("--num-old", type=int, default=200, help="cut-outs of old subjects")
    ask.add_argument("--steps", type=int, default=0, help="of training; 0 is the preset's own")
    ask.add_argument("-o", "--output", type=Path, default=None)
    asked = ask.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    lessons = [teach(kind, asked) for kind in asked.kinds]
    oracle = Oracle.from_pretrained(asked.weights / "oracle")
    probe = Probe(oracle, asked.folder / "probe.npz")
    results: dict[str, Any] = {"probe": probe.right, "kinds": {}}
    for one in lessons:
        results["kinds"][one.kind] = examine(one, asked, oracle, probe)
        if asked.num_old:
            results["kinds"][one.kind]["others"] = others(one, asked)
        (asked.folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        print(table(results), flush=True)
    if asked.output:
        asked.output.write_text(table(results))


if __name__ == "__main__":
    main()
