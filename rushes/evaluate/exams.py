"""What whole sets of prompts are made for: physics, two subjects, how films last; each beside the real films.

f frames looked at
"""

from __future__ import annotations

import dataclasses
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from rushes.evaluate import prompts
from rushes.evaluate.films import Effort, Latents, request_for
from rushes.evaluate.metrics import drift, physics, prompt_fidelity, relations
from rushes.evaluate.oracle import Look, frame_indices, paint_at, read
from rushes.evaluate.prompts import Case, lasting
from rushes.evaluate.track import follow, glance
from rushes.evaluate.windows import look_through, moments, read_stills
from rushes.generate import Generator
from rushes.metering import Meter
from rushes.models.captioner import Captioner
from rushes.models.captioner import reading_times as captioner_times
from rushes.models.oracle import HEIGHT, WIDTH, Oracle
from rushes.tiers import TIERS, plan
from rushes.types import GenerationRequest, Video
from rushes.world.render import render
from rushes.world.scene import Scene, SceneFilters

Watch = Callable[[str, int, int], None]
TIER, LONG = "short", "feature"
TOLERANCE = 0.10  # of the law, beyond the error that the same tracker makes on the real film
MEASURABLE = 0.10  # a prompt whose real film comes out further off the law says nothing about a model
EACH_SECOND = (0.2, 0.5, 0.8)  # of a second, where a long film is looked at
SIDES = ("made", "real")
MINUTE_S = 60
END_S = 1  # how much of a film of a minute is read at either end: the shortest films that the oracle was taught
STILL_RIGHT = ("kind", "colour", "place")
TRACKED_HEIGHT, TRACKED_WIDTH = 432, 768


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """Sets the exams for one model; `captioner` counts subjects, None leaves counts out."""

    latents: Latents
    oracle: Oracle
    captioner: Captioner | None
    effort: Effort
    filters: SceneFilters
    seed: int
    watch: Watch

    def physics(self, num: int) -> dict[str, Any]:
        """Return how many films of each motion obey its law as nearly as the real films do, and 10 % more.

        A film that no subject can be tracked in fails. Prompts whose real film cannot be measured are not counted.
        """
        cases = prompts.moving(num, self.seed, self.filters, tuple(physics.LAWS))
        rows: list[dict[str, Any]] = []
        for done, case in enumerate(cases, start=1):
            frames, request = np.arange(TIERS[TIER].shape.frames), self._request(case, TIER)
            size = (TRACKED_HEIGHT, TRACKED_WIDTH)
            sides = (self._made(request, frames), self._real(case, request, frames, size))
            tracks = [follow(Video(frames=side, fps=TIERS[TIER].fps), glance(self.oracle, side)) for side in sides]
            scene = lasting(case.scene, len(frames) / TIERS[TIER].fps)  # how fast things fall depends on the length
            made, real = physics.SPEC.measure(tracks, [scene, scene])
            rows.append({"prompt": case.prompt, "made": made, "real": real, "is_lawful": is_lawful(made, real)})
            self.watch("physics", done, len(cases))
        judged = [row for row in rows if row["is_lawful"] is not None]
        scores = [_share("physics", [row["is_lawful"] for row in judged])]
        for motion in physics.LAWS:
            hits = [row["is_lawful"] for row in judged if row["real"]["motion"] == motion]
            scores += [_share(f"physics: {motion}", hits)] if hits else []
        errors = {side: [row[side]["error"] for row in rows if row[side]["error"] is not None] for side in SIDES}
        return {
            "scores": scores,
            "real": [_share("measurable", [row["is_lawful"] is not None for row in rows])],
            "median_error": {side: float(np.median(some)) if some else None for side, some in errors.items()},
            "untracked": sum(bool(row["made"]["failed"]) for row in rows),
            "rows": rows,
        }

    def pairs(self, num: int) -> dict[str, Any]:
        """Return how often both subjects, their colours, their relation and their number are right.

        `chance` judges the real films by the next prompt: what a film that shows something else would score.
        """
        cases = prompts.twos(num, self.seed, self.filters)
        at = moments(TIERS[TIER].shape.frames)
        length_s = TIERS[TIER].shape.frames / TIERS[TIER].fps
        seen: dict[str, list[Any]] = {side: [] for side in SIDES}
        counts: dict[str, list[bool | None]] = {side: [] for side in SIDES}
        told_s = captioner_times(length_s)
        told_at = (told_s * TIERS[TIER].fps).astype(int).clip(0, TIERS[TIER].shape.frames - 1)
        for done, case in enumerate(cases, start=1):
            for side in SIDES:
                frames = self._small(side, case, self._request(case, TIER), np.concatenate((at, told_at)))
                seen[side].append(look_through(self.oracle, frames[: len(at)], length_s))
                counts[side].append(self._counts_two(frames[len(at) :], told_s, length_s))
            self.watch("two subjects", done, len(cases))
        scenes = [case.scene for case in cases]
        rows = {side: relations.SPEC.measure(seen[side], scenes) for side in SIDES}
        for side in SIDES:
            rows[side] = [{**row, "count": count} for row, count in zip(rows[side], counts[side], strict=True)]
        chance = relations.SPEC.measure(seen["real"], scenes[1:] + scenes[:1]) if num > 1 else []
        both = zip(cases, rows["made"], rows["real"], strict=True)
        return {
            "scores": _shares(rows["made"]),
            "real": _shares(rows["real"]),
            "chance": _shares(chance),
            "rows": [{"prompt": case.prompt, "made": made, "real": real} for case, made, real in both],
        }

    def lasting(self, num: int) -> dict[str, Any]:
        """Return what the oracle reads right in each second of ten-second films."""
        cases = prompts.draw(num, self.seed, self.filters)
        fps, seconds = TIERS[LONG].fps, TIERS[LONG].shape.frames // TIERS[LONG].fps
        at = np.array([int((second + part) * fps) for second in range(seconds) for part in EACH_SECOND])
        said: dict[str, list[Any]] = {side: [] for side in SIDES}
        for done, case in enumerate(cases, start=1):
            for side in SIDES:
                stills = self._small(side, case, self._request(case, LONG), at)
                logs = read_stills(self.oracle, stills, float(seconds))
                words = {name: each.reshape(seconds, len(EACH_SECOND), -1).mean(1) for name, each in logs.items()}
                best = {name: logs.argmax(-1) for name, logs in words.items()}
                told = [
                    {name: self.oracle.labels[name][each[i]] for name, each in best.items()} for i in range(seconds)
                ]
                said[side].append(told)
            self.watch("drift", done, len(cases))
        scenes = [case.scene for case in cases]
        return {"scores": drift.SPEC.measure(said["made"], scenes), "real": drift.SPEC.measure(said["real"], scenes)}

    def minutes(self, num: int) -> dict[str, Any]:
        """Return what the oracle reads right in the first and in the last second of films of a minute.

        Each of these seconds is read as a film of its own. `together` is every word of STILL_RIGHT at once. A subject
        may have left by then, or not come yet: an end counts where the oracle reads these words off the real film's.
        """
        cases = prompts.draw(num, self.seed, self.filters)
        fps = TIERS[TIER].fps
        first, _ = frame_indices(END_S * fps, fps)
        at = np.concatenate((first, first + (MINUTE_S - END_S) * fps))
        said: dict[str, list[Any]] = {side: [] for side in SIDES}
        for done, case in enumerate(cases, start=1):
            request = self._request(case, TIER)
            request = dataclasses.replace(request, shape=dataclasses.replace(request.shape, frames=MINUTE_S * fps))
            for side in SIDES:
                ends = np.split(self._small(side, case, request, at), 2)
                looks = [Look(frames=end, strip=end[:0], duration_s=float(END_S)) for end in ends]
                said[side].append([reading.answers for reading in read(self.oracle, looks)])
            self.watch("a minute", done, len(cases))
        scores, real = [], []
        for end, second in enumerate((0, MINUTE_S - END_S)):
            seen = [(*(said[side][i][end] for side in SIDES), case.scene) for i, case in enumerate(cases)]
            there = [each for each in seen if _still_right(each[1], each[2])]
            scores += _at_end(second, [(made, scene) for made, _, scene in there])
            real += _at_end(second, [(true, scene) for _, true, scene in seen])
        rows = [
            {"prompt": case.prompt, **dict(zip(SIDES, each, strict=True))}
            for case, *each in zip(cases, *said.values(), strict=True)
        ]
        return {"scores": scores, "real": real, "rows": rows}

    def _counts_two(self, frames: np.ndarray, times_s: np.ndarray, length_s: float) -> bool | None:
        """Return whether the captioner sees two subjects in uint8 frames `[f 90 160 3]`; None without a captioner."""
        if self.captioner is None:
            return None
        pictures = torch.from_numpy(frames).permute(0, 3, 1, 2)[None].float() / 127.5 - 1
        times = torch.from_numpy(times_s).float()[None]
        told = self.captioner.describe(pictures, times, torch.tensor([length_s]), least=0)
        return len(told[0].fields["subjects"]) == 2

    def _request(self, case: Case, tier: str) -> GenerationRequest:
        return request_for(case, tier, self.effort)

    def _small(self, side: str, case: Case, request: GenerationRequest, at: np.ndarray) -> np.ndarray:
        """Return frames at the size that the oracle was taught, uint8 `[f 90 160 3]`."""
        if side == "real":
            return self._real(case, request, at, (HEIGHT, WIDTH))
        made = torch.from_numpy(self._made(request, at)).permute(0, 3, 1, 2).float()
        shrunk = F.interpolate(made, (HEIGHT, WIDTH), mode="bilinear", antialias=True)
        return shrunk.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()

    def _made(self, request: GenerationRequest, at: np.ndarray) -> np.ndarray:
        """Return some frames of the film that the model makes, as its tier paints, uint8 `[f h w 3]`."""
        shot, latent = plan(request), self.latents.get(request)
        painted = paint_at(self.latents.generator.autoencoder, latent, at.tolist(), fps=shot.fps, pixels=shot.pixels)
        return ((painted + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()

    def _real(self, case: Case, request: GenerationRequest, at: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        scene = lasting(case.scene, request.shape.frames / request.fps)
        return render(scene, height=size[0], width=size[1], times_s=(at / request.fps).tolist())


def is_lawful(made: dict[str, Any], real: dict[str, Any]) -> bool | None:
    """Return whether a film's error is within 10 % of the law beyond the real film's own.

    None where the real film itself cannot be measured.
    """
    if real["error"] is None or real["error"] > MEASURABLE:
        return None
    return made["error"] is not None and made["error"] <= real["error"] + TOLERANCE


def _still_right(told: dict[str, str], scene: Scene) -> bool:
    truth = prompt_fidelity.truth(scene)
    return all(told[name] == truth[name] for name in STILL_RIGHT)


def _at_end(second: int, said: Sequence[tuple[dict[str, str], Scene]]) -> list[dict[str, Any]]:
    """Return a row per attribute, then one of those of STILL_RIGHT together, of what was read in one second."""
    rows = []
    for name in drift.ATTRIBUTES:
        truths = [(told[name], prompt_fidelity.truth(scene).get(name)) for told, scene in said]
        rows.append(_share(name, [answer == true for answer, true in truths if true is not None]))
    rows.append(_share("together", [_still_right(*each) for each in said]))
    return [{"second": second, **row} for row in rows]


def _share(name: str, hits: Sequence[bool]) -> dict[str, Any]:
    return prompt_fidelity.row(name, sum(hits), len(hits))


def _shares(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = (*relations.ASKED, "count") if rows and "count" in rows[0] else relations.ASKED
    hits = {name: [row[name] for row in rows if row[name] is not None] for name in names}
    return [_share(name, some) for name, some in hits.items() if some]


def cost(generator: Generator, case: Case, tier: str, effort: Effort) -> dict[str, Any]:
    """Return what one film costs from prompt to frames: seconds, what a `Meter` reads, the process's peak memory.

    Encoding is not in it.
    """
    request = request_for(case, tier, effort)
    begun, meter = time.perf_counter(), Meter()
    num = sum(1 for _ in generator.generate(request))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    seconds = round(time.perf_counter() - begun, 2)
    return {"seconds": seconds, **meter.reading(), "peak_bytes": peak, "frames": num}


def captioner_of(folder: Path) -> Captioner | None:
    """Return the captioner beside the weights, or None where there is none."""
    return Captioner.from_pretrained(folder / "captioner") if (folder / "captioner").is_dir() else None
