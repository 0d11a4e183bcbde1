"""The prompts that weights are judged by: scenes of the paper world that training never shows, drawn by a seed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rushes import config
from rushes.errors import InputError, WeightsError
from rushes.nn import weights
from rushes.types import MAX_SEED
from rushes.world.captions import prompt
from rushes.world.scene import Scene, SceneFilters, sample

ONE_SUBJECT, TWO_SUBJECTS = (1.0, 0.0), (0.0, 1.0)
CALM = ("clear", "cloudy")
USUAL = SceneFilters(num_subjects_weights=ONE_SUBJECT)
MOST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question: a held-out scene, the sentence that says it, and the seed of the film's noise."""

    index: int
    scene: Scene
    prompt: str
    seed: int


def filters_of(folder: Path) -> SceneFilters:
    """Return what the film weights in `folder` were taught to show, narrowed to one subject.

    The filters stand in the weights' recorded facts, a baseline's with what it learned from; weights without any are
    asked for every paper scene.

    Raises:
        WeightsError: no film weights, or filters that this version does not know.
    """
    preset = _facts(folder).get("preset") or {}
    recorded = (preset.get("film") or preset).get("filters")
    if recorded is None:
        return USUAL
    try:
        taught: SceneFilters = config.from_dict(SceneFilters, recorded)
    except InputError as error:
        raise WeightsError(f"the filters recorded in {folder} are of another version: {error}") from None
    return dataclasses.replace(taught, num_subjects_weights=ONE_SUBJECT)


def _facts(folder: Path) -> dict[str, Any]:
    """Return what film weights record of themselves, whichever network's they are."""
    try:
        family = json.loads((folder / weights.CONFIG).read_text())["family"]
    except (OSError, ValueError, KeyError, TypeError):
        family = "transformer"  # and so it is said what is the matter
    return weights.read_config(folder, family=family).get("facts") or {}


def draw(num: int, seed: int, filters: SceneFilters = USUAL, split: str = "test") -> list[Case]:
    """Return `num` cases of a split; case i depends on (seed, i, filters) alone, so fewer are the first ones.

    Raises:
        InputError: an illegal number or seed, or filters that leave no held-out scene.
    """
    if not 1 <= num <= MOST:
        raise InputError(f"num {num} is illegal; the nearest legal value is {1 if num < 1 else MOST}")
    if not 0 <= seed <= MAX_SEED:
        raise InputError(f"seed {seed} is illegal; the nearest legal value is {0 if seed < 0 else MAX_SEED}")
    return [_case(index, seed, filters, split) for index in range(num)]


def _case(index: int, seed: int, filters: SceneFilters, split: str = "test") -> Case:
    rng = np.random.default_rng((seed, index))
    scene = sample(rng, split=split, filters=filters)
    return Case(index=index, scene=scene, prompt=prompt(scene), seed=int(rng.integers(2**31)))


def moving(num: int, seed: int, filters: SceneFilters, motions: Sequence[str]) -> list[Case]:
    """Return `num` held-out cases whose subjects move by each of `motions` in turn, before a camera that stands still.

    Neither rain nor snow falls through the picture. Motions that the filters leave out are not asked for.
    """
    taught = [motion for motion in motions if not filters.motions or motion in filters.motions]
    weathers = tuple(word for word in CALM if not filters.weathers or word in filters.weathers)
    calm = dataclasses.replace(filters, cameras=("still",), weathers=weathers)
    each = [dataclasses.replace(calm, motions=(motion,)) for motion in taught]
    return [_case(index, seed, each[index % len(each)]) for index in range(num if each else 0)]


def twos(num: int, seed: int, filters: SceneFilters) -> list[Case]:
    """Return `num` held-out cases of two subjects in a relation, before a camera that stands still."""
    return draw(num, seed, dataclasses.replace(filters, cameras=("still",), num_subjects_weights=TWO_SUBJECTS))


def lasting(scene: Scene, seconds: float) -> Scene:
    """Return the same scene as a film of `seconds`."""
    return dataclasses.replace(scene, duration_s=float(seconds))
