"""A scene says everything that a film of the paper world shows; this file checks, samples, splits and stores scenes."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rushes import config
from rushes.errors import InputError
from rushes.world import vocabulary as v

SPLITS = ("train", "test")
_HELD_OUT_OF = 12  # one pair in twelve, about 8 %
_MIN_PLACES_TO_HOLD_OUT = 4  # a kind at home in fewer places keeps all of them, or it would hardly be trained
_MAX_DRAWS = 5000

HORIZONTAL = ("left", "right")
MOTION_DIRECTIONS: dict[str, tuple[str, ...]] = {motion: ("none",) for motion in v.MOTIONS} | {
    "drift": HORIZONTAL,
    "rise": ("up",),
    "fall": ("down",),
    "weave": HORIZONTAL,
    "enter": HORIZONTAL,
    "leave": HORIZONTAL,
    "stop": HORIZONTAL,
    "hop": HORIZONTAL,
}
_FLOAT_WEIGHTS = {"rest": 0.6, "drift": 2.5, "rise": 1.5, "bounce": 0.5, "hop": 0.3}
MOTION_WEIGHTS: dict[str, dict[str, float]] = {
    "ground": {"rest": 1.0, "drift": 3.0} | dict.fromkeys(("hop", "bounce", "stop", "enter", "leave"), 1.0),
    "water": {"rest": 1.0, "drift": 3.5} | dict.fromkeys(("stop", "enter", "leave", "swing"), 1.0),
    "float": {motion: _FLOAT_WEIGHTS.get(motion, 1.0) for motion in v.MOTIONS},
}
MOTION_WEIGHTS["ground"] |= dict.fromkeys(("spin", "grow", "shrink", "swing", "fall"), 0.6)
MOTION_WEIGHTS["water"] |= dict.fromkeys(("grow", "shrink", "spin"), 0.5)
ROOTED = frozenset({"house", "windmill", "lighthouse", "tree", "mushroom"})
"""Kinds that stand where they are: the sampler seldom makes them travel."""


def _check(what: str, value: str, legal: Sequence[str]) -> None:
    if value not in legal:
        near = difflib.get_close_matches(str(value), legal, n=1) or [legal[0]]
        rest = ", ".join(word for word in legal if word != near[0])
        raise InputError(
            f"{what} {value!r} is unknown; the nearest legal one is {near[0]!r} (others: {rest or 'none'})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing in a scene, what it looks like and how it moves; every field is a word of the vocabulary.

    Raises:
        InputError: a word outside its list, or a direction that the motion does not have.
    """

    kind: str
    colour: str
    size: str = "medium"
    motion: str = "rest"
    direction: str = "none"
    speed: str = "normal"

    def __post_init__(self) -> None:
        _check("kind", self.kind, v.KINDS)
        _check("colour", self.colour, tuple(v.COLOURS))
        _check("size", self.size, tuple(v.SIZES))
        _check("motion", self.motion, v.MOTIONS)
        _check(f"direction of {self.motion}", self.direction, MOTION_DIRECTIONS[self.motion])
        _check("speed", self.speed, tuple(v.SPEEDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that a film shows: where, when, in which weather, how it is filmed and drawn, and who is in it.

    `variant` in 0..7 is the layout of the place, `seed` in [0, 2^31) shifts the subject a little, `duration_s` is the
    length of the film in seconds. With two subjects `relation` says what the first does to the second.

    Raises:
        InputError: a word outside its list, a kind that does not fit the place, or a relation without two subjects.
    """

    place: str
    time: str = "day"
    weather: str = "clear"
    camera: str = "still"
    style: str = "paper"
    subjects: tuple[Subject, ...]
    relation: str = "none"
    variant: int = 0
    seed: int = 0
    duration_s: float = 3.0

    def __post_init__(self) -> None:
        _check("place", self.place, v.PLACES)
        _check("time", self.time, ("night",) if self.place == "space" else v.TIMES)
        _check("weather", self.weather, ("clear",) if self.place in v.CALM_PLACES else v.WEATHERS)
        _check("camera", self.camera, v.CAMERAS)
        _check("style", self.style, v.STYLES)
        if len(self.subjects) not in (1, 2):
            raise InputError(f"a scene has 1 or 2 subjects, not {len(self.subjects)}; the nearest legal number is 1")
        _check("relation", self.relation, ("none",) if len(self.subjects) == 1 else v.RELATIONS[1:])
        for subject in self.subjects:
            _check(f"kind for the {self.place}", subject.kind, v.kinds_at(self.place))
            _check(
                f"motion of a {subject.kind} at the {self.place}",
                subject.motion,
                tuple(MOTION_WEIGHTS[v.rides(self.place, subject.kind)]),
            )
        if not 0 <= self.variant < v.VARIANTS:
            nearest = min(max(self.variant, 0), v.VARIANTS - 1)
            raise InputError(f"variant {self.variant} is illegal; the nearest legal value is {nearest}")
        if not 0.0 < self.duration_s <= 600.0:
            nearest_s = 600.0 if self.duration_s > 600.0 else 3.0
            raise InputError(f"duration_s {self.duration_s} is illegal; the nearest legal value is {nearest_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFilters:
    """What `sample` may draw: empty tuples mean the whole list; `still_camera` and `clear_weather` are probabilities.

    `num_subjects_weights` are the odds of one and of two subjects; `durations_s` are drawn uniformly, in seconds.
    """

    kinds: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    weathers: tuple[str, ...] = ()
    motions: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    styles: tuple[str, ...] = ("paper",)
    num_subjects_weights: tuple[float, ...] = (0.85, 0.15)
    still_camera: float = 0.6
    clear_weather: float = 0.4
    normal_speed: float = 0.6
    durations_s: tuple[float, ...] = (3.0,)

    def __post_init__(self) -> None:
        lists = {
            "kinds": v.KINDS,
            "colours": tuple(v.COLOURS),
            "places": v.PLACES,
            "times": v.TIMES,
            "weathers": v.WEATHERS,
            "motions": v.MOTIONS,
            "cameras": v.CAMERAS,
            "styles": v.STYLES,
        }
        for name, legal in lists.items():
            for word in getattr(self, name):
                _check(name[:-1], word, legal)


def is_held_out(first: str, second: str) -> bool:
    """Return whether a (kind, colour) or (kind, place) pair is kept for the test split; stable for ever."""
    if second in v.PLACES and len(v.places_of(first)) < _MIN_PLACES_TO_HOLD_OUT:
        return False
    digest = hashlib.blake2s(f"{first}|{second}".encode()).digest()
    return int.from_bytes(digest[:4], "little") % _HELD_OUT_OF == 0


def split_of(scene: Scene) -> str:
    """Return "test" if the scene holds at least one held-out pair, else "train"."""
    pairs = [(s.kind, other) for s in scene.subjects for other in (s.colour, scene.place)]
    return "test" if any(is_held_out(*pair) for pair in pairs) else "train"


def sample(rng: np.random.Generator, *, split: str = "train", filters: SceneFilters | None = None) -> Scene:
    """Return a random scene of a split; the same generator state gives the same scene.

    Raises:
        InputError: an unknown split, or filters that leave no scene in it.
    """
    _check("split", split, SPLITS)
    filters = filters or SceneFilters()
    for _ in range(_MAX_DRAWS):
        scene = _draw(rng, filters)
        if scene is not None and split_of(scene) == split:
            return scene
    raise InputError(f"these filters leave no scene in the split {split!r}; widen kinds, places, colours or motions")


def to_dict(scene: Scene) -> dict[str, Any]:
    """Return the scene as plain JSON types."""
    return dataclasses.asdict(scene) | {"subjects": [dataclasses.asdict(subject) for subject in scene.subjects]}


def from_dict(values: dict[str, Any]) -> Scene:
    """Return the scene that `to_dict` wrote.

    Raises:
        InputError: unknown or missing keys, or values that are no scene.
    """
    listed = values.get("subjects")
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise InputError("a scene needs a list of subjects, for instance [{'kind': 'car', 'colour': 'red'}]")
    subjects = tuple(config.from_dict(Subject, item) for item in listed)
    legal = {field.name: field.type for field in dataclasses.fields(Scene)}
    for key, value in values.items():
        _check("key of a scene", key, tuple(legal))
        wanted = {"int": (int,), "float": (int, float), "str": (str,)}.get(str(legal[key]), (list,))
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise InputError(f"{key}={value!r} of a scene is no {legal[key]}")
    try:
        return Scene(**(values | {"subjects": subjects}))
    except TypeError as error:
        raise InputError(f"a scene does not fit: {error}") from None


def _pick(rng: np.random.Generator, items: Sequence[str], weights: Sequence[float] | None = None) -> str:
    """Return one item; several times faster than `rng.choice`, which matters when scenes are drawn by the million."""
    if weights is None:
        return items[int(rng.integers(len(items)))]
    mark = rng.random() * sum(weights)
    for item, weight in zip(items, weights, strict=True):
        mark -= weight
        if mark < 0:
            return item
    return items[-1]


def _within(legal: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in legal if not wanted or word in wanted)


def _usual(rng: np.random.Generator, usual: str, legal: Sequence[str], probability: float) -> str:
    """Return `usual` with a probability, else one of the others; whatever is left where only one kind is legal."""
    others = [word for word in legal if word != usual]
    if usual in legal and (not others or rng.random() < probability):
        return usual
    return _pick(rng, others)


def _draw(rng: np.random.Generator, filters: SceneFilters) -> Scene | None:
    place = _pick(rng, _within(v.PLACES, filters.places))
    kinds = _within(v.kinds_at(place), filters.kinds)
    times = _within(("night",) if place == "space" else v.TIMES, filters.times)
    weathers = _within(("clear",) if place in v.CALM_PLACES else v.WEATHERS, filters.weathers)
    if not (kinds and times and weathers):
        return None
    second = rng.random() * sum(filters.num_subjects_weights) >= filters.num_subjects_weights[0]
    # kinds at home in few places are drawn more often there, so that all kinds are about equally common
    weights = [1.0 / len(v.places_of(kind)) for kind in kinds]
    chosen = [_pick(rng, kinds, weights) for _ in range(2 if second else 1)]
    relation, moves = _moves(rng, place, chosen, filters)
    if not moves:
        return None
    looks = [(_pick(rng, _within(tuple(v.COLOURS), filters.colours)), _pick(rng, tuple(v.SIZES))) for _ in chosen]
    if second and chosen[0] == chosen[1] and looks[0][0] == looks[1][0]:
        return None
    speed = _usual(rng, "normal", tuple(v.SPEEDS), filters.normal_speed)
    subjects = tuple(
        Subject(kind=kind, colour=colour, size=size, motion=motion, direction=direction, speed=speed)
        for kind, (colour, size), (motion, direction) in zip(chosen, looks, moves, strict=True)
    )
    return Scene(
        place=place,
        time=_pick(rng, times),
        weather=_usual(rng, "clear", weathers, filters.clear_weather),
        camera=_usual(rng, "still", _within(v.CAMERAS, filters.cameras), filters.still_camera),
        style=_pick(rng, filters.styles or v.STYLES),
        subjects=subjects,
        relation=relation,
        variant=int(rng.integers(v.VARIANTS)),
        seed=int(rng.integers(2**31)),
        duration_s=float(filters.durations_s[int(rng.integers(len(filters.durations_s)))]),
    )


def _moves(
    rng: np.random.Generator, place: str, kinds: Sequence[str], filters: SceneFilters
) -> tuple[str, list[tuple[str, str]]]:
    """Return the relation and each subject's (motion, direction); no moves at all where the filters forbid them."""
    if len(kinds) == 1:
        weights = MOTION_WEIGHTS[v.rides(place, kinds[0])]
        motions = _within(tuple(weights), filters.motions)
        if not motions:
            return "none", []
        odds = [weights[motion] * (0.1 if kinds[0] in ROOTED and _travels(motion) else 1.0) for motion in motions]
        motion = _pick(rng, motions, odds)
        return "none", [(motion, _pick(rng, MOTION_DIRECTIONS[motion]))]
    relation = _pick(rng, v.RELATIONS[1:])
    return relation, relation_moves(relation, _pick(rng, HORIZONTAL))


def relation_moves(relation: str, direction: str) -> list[tuple[str, str]]:
    """Return (motion, direction) of both subjects of a relation whose first subject heads left or right."""
    other = "left" if direction == "right" else "right"
    if relation in ("left_of", "behind"):
        return [("rest", "none"), ("rest", "none")]
    if relation == "collides":  # the first subject comes from the left, so that both meet in the middle
        return [("drift", "right"), ("drift", "left")]
    return [("drift", direction), ("drift", direction if relation == "chases" else other)]


def _travels(motion: str) -> bool:
    return MOTION_DIRECTIONS[motion] == HORIZONTAL
