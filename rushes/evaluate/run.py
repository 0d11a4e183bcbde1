"""Score weights: the autoencoder, the oracle on real films, and every tier's films of held-out prompts."""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rushes import __version__, config
from rushes.errors import InputError
from rushes.evaluate import exams, prompts
from rushes.evaluate.films import Answered, Answers, Effort, Latents, Load, check_tiers, request_for
from rushes.evaluate.metrics import (
    flicker,
    identity,
    kernel_distance,
    memorisation,
    prompt_fidelity,
    reconstruction,
)
from rushes.evaluate.oracle import Look, Reading, look, look_at_real, paint_at, read
from rushes.evaluate.prompts import Case, lasting
from rushes.evaluate.windows import frame_features
from rushes.generate import Generator
from rushes.models.autoencoder import ENCODED_FPS, Autoencoder, to_bytes
from rushes.models.oracle import Oracle
from rushes.nn import weights
from rushes.tiers import plan
from rushes.types import MAX_SEED, GenerationRequest, Video
from rushes.world import REVISION
from rushes.world.render import render
from rushes.world.scene import SceneFilters, to_dict

Watch = Callable[[str, int, int], None]
RECONSTRUCTED_S = 3
NUM_RECONSTRUCTED = 24
NUM_SHUFFLED = 64
FRAMES_PER_FILM = 6
TAUGHT_SEED = 1  # of the banks that films are trained on (rushes/data/banks/world_rows.py)
OTHERS_FROM = 1_000_003  # added to the seed: real films of other scenes, so that both sides of a distance are strangers


def _ignore(what: str, done: int, num: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to score: `num` held-out prompts per tier, `num_exam` per exam, `num_reconstructed` for the autoencoder.

    `num_minutes` films last a minute; `load` opens the weights.
    """

    weights: Path
    num: int = 300
    num_exam: int = 0
    num_minutes: int = 0
    num_reconstructed: int = NUM_RECONSTRUCTED
    tiers: tuple[str, ...] = ("short", "feature", "flipbook")
    seed: int = 0
    effort: Effort = dataclasses.field(default_factory=Effort)
    cache: Path | None = None
    device: str = "auto"
    dtype: str = "auto"
    load: Load = Generator.load


def evaluate(ask: Plan, watch: Watch = _ignore) -> dict[str, Any]:
    """Return the whole report as plain JSON values; `watch(what, done, num)` counts films.

    Raises:
        InputError: an unknown tier, an illegal number or seed.
        WeightsError: autoencoder, film or oracle weights that are missing, damaged or foreign.
    """
    begun = time.perf_counter()
    tiers = check_tiers(ask.tiers)
    if ask.num_reconstructed < 1:
        raise InputError(f"num_reconstructed {ask.num_reconstructed} is illegal; the nearest legal value is 1")
    filters = prompts.filters_of(ask.weights / "film")
    cases = prompts.draw(ask.num, ask.seed, filters)
    others = prompts.draw(ask.num, (ask.seed + OTHERS_FROM) % (MAX_SEED + 1), filters)
    generator = ask.load(ask.weights, device=ask.device, dtype=ask.dtype)
    oracle = Oracle.from_pretrained(ask.weights / "oracle").to(generator.device)
    report: dict[str, Any] = {
        "rushes": __version__,
        "machine": machine(),
        "weights": _record(ask.weights, generator),
        "seed": ask.seed,
        "num": ask.num,
        "filters": config.to_dict(filters),
        "autoencoder": _autoencoder(generator.autoencoder, cases, ask.num_reconstructed, watch),
        "tiers": {},
        "seconds_per_prompt": {},
    }
    latents = Latents(generator, ask.cache)
    taught = prompts.draw(ask.num, TAUGHT_SEED, filters, split="train")
    for tier in tiers:
        judge = Judge(tier=tier, latents=latents, oracle=oracle, effort=ask.effort, hashes=report["weights"])
        started = time.perf_counter()
        report["tiers"][tier] = judge.score(cases, others, taught, watch)
        report["tiers"][tier]["cost"] = exams.cost(generator, cases[0], tier, ask.effort)
        report["seconds_per_prompt"][tier] = round((time.perf_counter() - started) / len(cases), 3)
    report["exams"] = _exams(ask, latents, oracle, filters, watch)
    report["oracle"] = _pooled([report["tiers"][tier]["real"] for tier in tiers])
    report["seconds"] = round(time.perf_counter() - begun, 1)
    return report


def _exams(ask: Plan, latents: Latents, oracle: Oracle, filters: SceneFilters, watch: Watch) -> dict[str, Any]:
    """Return physics, pairs, drift and the attributes' scores on combinations that training did show; then minutes."""
    examiner = exams.Examiner(
        latents=latents,
        oracle=oracle,
        captioner=exams.captioner_of(ask.weights),
        effort=ask.effort,
        filters=filters,
        seed=ask.seed,
        watch=watch,
    )
    found: dict[str, Any] = {}
    if ask.num_exam:
        found = {"physics": examiner.physics(ask.num_exam), "pairs": examiner.pairs(ask.num_exam)}
        if "feature" in ask.tiers:
            found["drift"] = examiner.lasting(ask.num_exam)
        shown = prompts.draw(ask.num_exam, ask.seed, filters, split="train")
        hashes = _record(ask.weights, latents.generator)
        judge = Judge(tier=exams.TIER, latents=latents, oracle=oracle, effort=ask.effort, hashes=hashes)
        found["seen"] = judge.read(shown, "seen combinations", watch)
    if ask.num_minutes:
        found["minutes"] = examiner.minutes(ask.num_minutes)
    return found


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    """Return the processor's name as Linux tells it, elsewhere as Python does."""
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        names = [line.partition(":")[2].strip() for line in listed.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _record(folder: Path, generator: Generator) -> dict[str, str]:
    oracle = weights.read_config(folder / "oracle", family="oracle")["sha256"]
    return {**generator.hashes, "oracle": oracle}


def _autoencoder(autoencoder: Autoencoder, cases: Sequence[Case], num: int, watch: Watch) -> dict[str, Any]:
    """Repaint held-out films at 1280x720 and compare; frames are spread over the film and over the half-second."""
    rows = []
    chosen = cases[:num]
    for done, case in enumerate(chosen, start=1):
        rows += reconstruction.SPEC.measure(*([film] for film in repaint(autoencoder, case)))
        watch("autoencoder", done, len(chosen))
    psnr, f1 = ([row[name] for row in rows] for name in ("psnr_db", "edge_f1"))
    return {
        "psnr_db": float(np.mean(psnr)),
        "edge_f1": float(np.mean(f1)),
        "psnr_db_error": _standard_error(psnr),
        "edge_f1_error": _standard_error(f1),
        "worst_psnr_db": min(psnr),
        "worst_edge_f1": min(f1),
        "num": len(rows),
        "frames": FRAMES_PER_FILM * len(rows),
        "rows": [{"prompt": case.prompt, **row} for case, row in zip(chosen, rows, strict=True)],
    }


def repaint(autoencoder: Autoencoder, case: Case) -> tuple[Video, Video]:
    """Return six frames of a three-second film at 1280x720 and 24 fps: through the autoencoder, and true."""
    scene, cell = lasting(case.scene, RECONSTRUCTED_S), autoencoder.config.cell
    times = [i / ENCODED_FPS for i in range(RECONSTRUCTED_S * ENCODED_FPS)]
    view = torch.from_numpy(render(scene, height=9 * cell, width=16 * cell, times_s=times))
    view = view.to(autoencoder.transform.basis.device)
    with torch.inference_mode():
        latent = autoencoder.encode(view.permute(3, 0, 1, 2)[None].float() / 127.5 - 1)
    num_frames = RECONSTRUCTED_S * 24
    step = num_frames // FRAMES_PER_FILM
    indices = [step * i + (5 * i + case.index) % step for i in range(FRAMES_PER_FILM)]
    painted = to_bytes(paint_at(autoencoder, latent, indices, fps=24, pixels=80)).permute(0, 2, 3, 1).cpu().numpy()
    true = render(scene, height=720, width=1280, times_s=[i / 24 for i in indices])
    return Video(frames=painted, fps=24), Video(frames=true, fps=24)


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values) / max(1, len(values) - 1) ** 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Scores one tier: generates, looks, asks the oracle, and does the same with the real films of the same scenes."""

    tier: str
    latents: Latents
    oracle: Oracle
    effort: Effort
    hashes: dict[str, str]

    def score(
        self, cases: Sequence[Case], others: Sequence[Case], taught: Sequence[Case], watch: Watch = _ignore
    ) -> dict[str, Any]:
        """Return scores, the oracle's on real films, distances, flicker, identity and every answer.

        `others` are held-out scenes of their own, `taught` scenes of training.
        """
        request = request_for(cases[0], self.tier, self.effort)
        made: list[Reading] = []
        real: list[Reading] = []
        strange: list[Reading] = []
        flickers: list[dict[str, Any]] = []
        for done, case in enumerate(cases, start=1):
            pair, row = self._judged(case, request)
            for side, reading in zip((made, real), pair, strict=True):
                side.append(reading)
            flickers.append(row)
            watch(self.tier, done, len(cases))
        for done, case in enumerate(others, start=1):
            strange += self._read_real(case, request)
            watch(f"{self.tier}: real films", done, len(others))
        scenes = [case.scene for case in cases]
        fidelity = prompt_fidelity.SPEC.measure
        return {
            "request": config.to_dict(request) | {"prompt": "", "seed": 0},
            "scores": fidelity([reading.answers for reading in made], scenes),
            "real": fidelity([reading.answers for reading in real], scenes),
            "kernel_distance": self._distances(cases, made, real, strange),
            "memorisation": self._memorised(made, strange, taught, watch),
            "flicker": beside([row["flicker"] for row in flickers]),
            "identity": beside([row["identity"] for row in flickers]),
            "films": [_film(*each) for each in zip(cases, made, real, flickers, strict=True)],
        }

    def read(self, cases: Sequence[Case], what: str, watch: Watch = _ignore) -> dict[str, Any]:
        """Return the attributes' scores of films and of real films alone."""
        request = request_for(cases[0], self.tier, self.effort)
        pairs = []
        for done, case in enumerate(cases, start=1):
            pairs.append(self._judged(case, request)[0])
            watch(what, done, len(cases))
        scenes = [case.scene for case in cases]
        made, real = ([pair[side].answers for pair in pairs] for side in (0, 1))
        return {
            "scores": prompt_fidelity.SPEC.measure(made, scenes),
            "real": prompt_fidelity.SPEC.measure(real, scenes),
        }

    def _memorised(
        self, made: Sequence[Reading], held_out: Sequence[Reading], taught: Sequence[Case], watch: Watch
    ) -> dict[str, Any] | None:
        """Return how many films lie nearer to training's than all but 1 % of real held-out films; None for few."""
        if len(taught) < 2:
            return None
        request = request_for(taught[0], self.tier, self.effort)
        near = []
        for done, case in enumerate(taught, start=1):
            near.append(self._read_real(case, request)[0].features)
            watch(f"{self.tier}: films of training", done, len(taught))
        rows = [memorisation.SPEC.measure([each.features for each in side], near) for side in (made, held_out)]
        copied = prompt_fidelity.row("memorised", memorisation.num_copied(*rows), len(made))
        medians = [float(np.median([row["nearest"] for row in side])) for side in rows]
        return {**copied, "nearest": medians[0], "nearest_held_out": medians[1], "num_training": len(near)}

    def _distances(
        self, cases: Sequence[Case], made: Sequence[Reading], real: Sequence[Reading], strange: Sequence[Reading]
    ) -> dict[str, Any] | None:
        """Return the kernel distance of films to real films of other scenes, with its floor and its ceiling.

        The floor is the real films' distance; the ceiling that of real films whose pixels are shuffled.
        """
        if len(made) < 4:
            return None
        request = request_for(cases[0], self.tier, self.effort)
        noise = [self._read_real(case, request, is_shuffled=True)[0] for case in cases[:NUM_SHUFFLED]]
        features = [[reading.features for reading in side] for side in (made, real, noise, strange)]
        measure = kernel_distance.SPEC.measure
        found = [measure(side, features[3])[0] for side in features[:3]]
        return dict(zip(("made", "floor", "ceiling"), found, strict=True))

    def _judged(self, case: Case, request: GenerationRequest) -> Answered:
        """Return what was read off the generated and off the real film, and how much both flicker."""

        def ask() -> Answered:
            looks = [self._generated(case), self._real(case, request)]
            strips = [[Video(frames=one.strip, fps=request.fps)] for one in looks]
            features = [[frame_features(self.oracle, one.frames)] for one in looks]
            row = {"flicker": flicker.SPEC.measure(*strips)[0], "identity": identity.SPEC.measure(*features)[0]}
            return read(self.oracle, looks), row

        made_by = {
            "asked": "flicker, identity",
            "latent": self.latents.key(request_for(case, self.tier, self.effort)),
            **self.hashes,
        }
        return Answers(self.latents.folder).get(made_by | self._scene(case, request), ask)

    def _read_real(self, case: Case, request: GenerationRequest, *, is_shuffled: bool = False) -> list[Reading]:
        def ask() -> Answered:
            seen = self._real(case, request)
            return read(self.oracle, [_shuffled(seen) if is_shuffled else seen]), {}

        drawn = {"oracle": self.hashes["oracle"], **self._scene(case, request)}
        return Answers(self.latents.folder).get(drawn | ({"shuffled": True} if is_shuffled else {}), ask)[0]

    def _scene(self, case: Case, request: GenerationRequest) -> dict[str, Any]:
        shown = {"frames": request.shape.frames, "fps": request.fps, "world": REVISION, "rushes": __version__}
        return {"scene": to_dict(case.scene), **shown}

    def _generated(self, case: Case) -> Look:
        request = request_for(case, self.tier, self.effort)
        shot = plan(request)
        latent = self.latents.get(request)
        return look(self.latents.generator.autoencoder, latent, fps=shot.fps, pixels=shot.pixels)

    def _real(self, case: Case, request: GenerationRequest) -> Look:
        return look_at_real(case.scene, num_frames=request.shape.frames, fps=request.fps)


def _shuffled(seen: Look) -> Look:
    """Return a film's frames with their pixels in another order, the same in every frame."""
    f, h, w, _ = seen.frames.shape
    order = np.random.default_rng(0).permutation(h * w)
    frames = seen.frames.reshape(f, h * w, 3)[:, order].reshape(f, h, w, 3)
    return dataclasses.replace(seen, frames=np.ascontiguousarray(frames))


def _film(case: Case, made: Reading, real: Reading, flickers: dict[str, Any]) -> dict[str, Any]:
    return {
        "prompt": case.prompt,
        "seed": case.seed,
        "truth": prompt_fidelity.truth(case.scene),
        "read": made.answers,
        "sureness": made.sureness,
        "read_on_real": real.answers,
        "flicker": flickers["flicker"]["flicker"],
        "scene": to_dict(case.scene),
    }


def beside(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the means of a figure and of the real films' own, and the 95 % bootstrap interval of the former.

    Source: the percentile interval of Efron, Bootstrap Methods (Annals of Statistics 1979), 1,000 draws, fixed seed.
    """
    name = next(key for key in rows[0] if key != "real")
    values = np.array([row[name] for row in rows])
    drawn = np.random.default_rng(0).choice(values, (1000, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    real = float(np.mean([row["real"] for row in rows]))
    return {name: float(values.mean()), "low": float(low), "high": float(high), "real": real}


def _pooled(tiers: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the oracle's scores on the real films of all tiers together, a row per attribute."""
    rows = []
    for same in zip(*tiers, strict=True):
        right, num = (sum(row[name] for row in same) for name in ("right", "num"))
        rows.append(prompt_fidelity.row(same[0]["attribute"], right, num))
    return rows
