"""What the captioner learns to say: the fields of a scene, and sentences of three lengths that name only those."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushes.models._fields import TAGS
from rushes.world import phrases
from rushes.world import vocabulary as v
from rushes.world.scene import MOTION_DIRECTIONS, Scene

SHOTS = ("wide", "medium", "close")
SHOT_SIDES = (0.286, 0.395)  # of the frame's height: between the sides of small, medium and large subjects
LABELS: dict[str, tuple[str, ...]] = {
    "kind": v.KINDS,
    "colour": tuple(v.COLOURS),
    "size": tuple(v.SIZES),
    "motion": v.MOTIONS,
    "direction": v.DIRECTIONS,
    "count": ("1", "2"),
    "relation": v.RELATIONS,
    "place": v.PLACES,
    "time": v.TIMES,
    "weather": v.WEATHERS,
    "camera": v.CAMERAS,
    "shot": SHOTS,
    "style": v.STYLES,
}
TAG_WORDS = {"blurred": "blurred", "noisy": "noisy", "dim": "too dark"}
_SHOT_WORDS = {"wide": "a wide shot", "medium": "a medium shot", "close": "a close shot"}
_PICTURE = "the picture is"

Fields = dict[str, Any]


def fields_of(scene: Scene, boxes: np.ndarray, tags: tuple[str, ...] = ()) -> Fields:
    """Return all that is to be said of a scene; `boxes [t 2 4]` as in CaptionRows, `tags` are what spoilt its picture.

    An ink drawing is black and white: its colours are None, for nobody could tell them.
    """
    is_grey = scene.style == "ink"
    subjects = [
        {
            "kind": s.kind,
            "colour": None if is_grey else s.colour,
            "size": s.size,
            "motion": s.motion,
            "direction": s.direction,
        }
        for s in scene.subjects
    ]
    return {
        "subjects": subjects,
        "count": str(len(subjects)),
        "relation": scene.relation,
        "place": scene.place,
        "time": scene.time,
        "weather": scene.weather,
        "camera": scene.camera,
        "shot": shot_of(boxes),
        "style": scene.style,
        "quality": [tag for tag in TAGS if tag in tags],
    }


def shot_of(boxes: np.ndarray) -> str:
    """Return how close the camera is: from the side of the largest subject in the middle one of its frames."""
    sides = [2 * float(np.median(one[one[:, 3] > 0, 2])) for one in boxes.swapaxes(0, 1) if one[:, 3].any()]
    return SHOTS[int(np.searchsorted(SHOT_SIDES, max(sides, default=0.0)))]


def write(fields: Fields, length: str, rng: np.random.Generator) -> str:
    """Return a description in lower case that names what is not None in `fields` and nothing else.

    `short` says who does what and where; `medium` adds time, weather, and camera and style where they are unusual;
    `dense` says everything in several sentences.
    """
    if length == "short":
        return _join(_who(fields, rng, with_size=False), _place(fields, rng))
    if length == "medium":
        return _medium(fields, rng)
    return _dense(fields, rng)


def every_word() -> tuple[str, ...]:
    """Return every word that `write` can say, sorted."""
    tables = [
        phrases.SIZE_WORDS, phrases.DIRECTION_WORDS, phrases.PLACE_WORDS, phrases.OVER_WORDS, phrases.TIME_WORDS,
        phrases.WEATHER_WORDS, phrases.CAMERA_WORDS, phrases.STYLE_WORDS,
    ]  # fmt: skip
    texts = [text for table in tables for entry in table.values() for text in entry]
    verbs = [phrases.TRAVEL, *phrases.TRAVEL_OF.values(), *phrases.MOTION_VERBS.values()]
    texts += [form for entry in (*verbs, *phrases.RELATION_VERBS.values()) for verb in entry for form in verb]
    texts += [*phrases.FROM_WORDS.values(), *v.KINDS, *v.COLOURS, *_SHOT_WORDS.values(), *TAG_WORDS.values(), _PICTURE]
    texts += ["a an and something two things up down moves moving heading the scene plays"]
    words = {word for text in texts for word in text.split() if "{" not in word}
    return tuple(sorted(words))


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _noun(subject: Fields, rng: np.random.Generator, *, with_size: bool) -> str:
    size, kind = subject["size"], subject["kind"]
    # Medium is what a thing is if nothing is said.
    said = _pick(phrases.SIZE_WORDS[size], rng) if with_size and size not in (None, "medium") else ""
    if kind is None:
        return _join("something", said, subject["colour"] or "")
    name = _join(said, subject["colour"] or "", kind)
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _verb(subject: Fields, rng: np.random.Generator) -> str:
    """Return what one subject does, third person; empty where it is not known."""
    motion, direction, kind = subject["motion"], subject["direction"], subject["kind"]
    if motion is None:
        heading = {"left": "heading left", "right": "heading right", "up": "moving up", "down": "moving down"}
        return heading.get(direction or "", "")
    known = direction if direction in MOTION_DIRECTIONS[motion] else None
    verbs = phrases.MOTION_VERBS.get(motion, phrases.TRAVEL)
    if motion == "drift":
        own = phrases.TRAVEL_OF[kind] if kind and rng.random() < 0.7 else phrases.TRAVEL
        verbs = tuple((f"{third} {{d}}", f"{ing} {{d}}") for third, ing in own)
    if known is None and motion in ("enter", "leave"):
        return {"enter": "enters", "leave": "leaves"}[motion]
    form = verbs[int(rng.integers(len(verbs)))][0]
    way = _pick(phrases.DIRECTION_WORDS.get(known or "", ("",)), rng)
    return " ".join(form.format(d=way, side=known, **{"from": phrases.FROM_WORDS.get(known or "", "")}).split())


def _who(fields: Fields, rng: np.random.Generator, *, with_size: bool) -> str:
    subjects, relation = fields["subjects"], fields["relation"]
    nouns = [_noun(subject, rng, with_size=with_size) for subject in subjects]
    if len(subjects) == 2:
        if relation in (None, "none"):
            return f"{nouns[0]} and {nouns[1]}"
        verbs = phrases.RELATION_VERBS[relation]
        return f"{nouns[0]} {verbs[int(rng.integers(len(verbs)))][0]} {nouns[1]}"
    return _join(nouns[0], _verb(subjects[0], rng)) if nouns else "something"


def _place(fields: Fields, rng: np.random.Generator) -> str:
    place, kinds = fields["place"], [subject["kind"] for subject in fields["subjects"]]
    if place is None:
        return ""
    is_over = bool(kinds) and kinds[0] in v.REALMS["air"] and place in phrases.OVER_WORDS
    return _pick((phrases.OVER_WORDS if is_over else phrases.PLACE_WORDS)[place], rng)


def _time(fields: Fields, rng: np.random.Generator) -> str:
    time = fields["time"]
    return "" if time is None or fields["place"] == "space" else _pick(phrases.TIME_WORDS[time], rng)


def _medium(fields: Fields, rng: np.random.Generator) -> str:
    weather = fields["weather"]
    said = _join(_who(fields, rng, with_size=True), _place(fields, rng), _time(fields, rng))
    if weather not in (None, "clear"):
        said = _join(said, _pick(phrases.WEATHER_WORDS[weather], rng))
    if fields["camera"] not in (None, "still"):
        said += f", {_pick(phrases.CAMERA_WORDS[fields['camera']], rng)}"
    if fields["style"] not in (None, "paper"):
        said += f", {_pick(phrases.STYLE_WORDS[fields['style']], rng)}"
    return said


def _dense(fields: Fields, rng: np.random.Generator) -> str:
    said = [_join(_who(fields, rng, with_size=True), _place(fields, rng))]
    subjects = fields["subjects"]
    if len(subjects) == 2 and fields["relation"] not in ("left_of", "behind"):
        for index, subject in enumerate(subjects):
            way, kind = subject["direction"], subject["kind"]
            if way in ("left", "right") and kind and kind != subjects[1 - index]["kind"]:
                said.append(f"the {kind} moves {_pick(phrases.DIRECTION_WORDS[way], rng)}")
    weather = _pick(phrases.WEATHER_WORDS[fields["weather"]], rng) if fields["weather"] else ""
    if fields["place"] in v.CALM_PLACES:
        weather = ""
    if when := _join(_time(fields, rng), weather):
        said.append(f"the scene plays {when}")
    if fields["camera"]:
        said.append(_pick(phrases.CAMERA_WORDS[fields["camera"]], rng))
    look = [_SHOT_WORDS[fields["shot"]]] if fields["shot"] else []
    look += [_pick(phrases.STYLE_WORDS[fields["style"]], rng)] if fields["style"] else []
    if look:
        said.append(", ".join(look))
    if fields["quality"]:
        said.append(f"{_PICTURE} {' and '.join(TAG_WORDS[tag] for tag in fields['quality'])}")
    return "".join(f"{sentence}. " for sentence in said).strip()
