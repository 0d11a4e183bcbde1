"""Say in words what a scene shows: captions in varied wording, the full prompt, and every word they can hold."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from rushes.types import Caption
from rushes.world import phrases
from rushes.world import vocabulary as v
from rushes.world.phrases import Verb
from rushes.world.scene import Scene, Subject
from rushes.world.synonyms import SYNONYMS

MIN_WORDS = 5
MAX_WORDS = 25
VERSION = "1"


def caption(scene: Scene, rng: np.random.Generator) -> Caption:
    """Return a description of the scene, lower case, 5 to 25 words; the wording is drawn from `rng`.

    Weather, camera, speed, size and style are named mostly where they are unusual, place and time nearly always.
    """
    while True:
        text = _caption(scene, rng)
        if MIN_WORDS <= len(text.split()) <= MAX_WORDS:
            return Caption(text=text, captioner="world", version=VERSION)


def prompt(scene: Scene) -> str:
    """Return the canonical sentence of a scene: the first wording of everything in it that is not the default."""
    said = [_noun(scene.subjects[0], _size_word(scene.subjects[0], None))]
    said.append(_verb(scene, None)[0])
    if len(scene.subjects) == 2:
        said.append(_noun(scene.subjects[1], _size_word(scene.subjects[1], None)))
    said += [_place(scene, None), "" if scene.place == "space" else phrases.TIME_WORDS[scene.time][0]]
    if scene.weather != "clear":
        said.append(phrases.WEATHER_WORDS[scene.weather][0])
    text = " ".join(part for part in said if part)
    if scene.camera != "still":
        text += f", {phrases.CAMERA_WORDS[scene.camera][0]}"
    return text if scene.style == "paper" else f"{text}, {phrases.STYLE_WORDS[scene.style][0]}"


@lru_cache(maxsize=1)
def words() -> frozenset[str]:
    """Return every word that a caption or a prompt can contain, lower case, without punctuation."""
    tables: list[dict[str, tuple[str, ...]]] = [
        phrases.SIZE_WORDS,
        phrases.SPEED_WORDS,
        phrases.DIRECTION_WORDS,
        phrases.PLACE_WORDS,
        phrases.OVER_WORDS,
        phrases.TIME_WORDS,
        phrases.WEATHER_WORDS,
        phrases.CAMERA_WORDS,
        phrases.STYLE_WORDS,
    ]
    texts = [text for table in tables for entry in table.values() for text in entry]
    verbs = [phrases.TRAVEL, *phrases.TRAVEL_OF.values(), *phrases.MOTION_VERBS.values()]
    verbs += phrases.RELATION_VERBS.values()
    texts += [form for entry in verbs for verb in entry for form in verb]
    texts += [*phrases.FROM_WORDS.values(), *phrases.PATTERNS, *v.KINDS, *v.COLOURS, "a an"]
    return frozenset(word for text in texts for word in split_words(re.sub(r"\{\w+\}", " ", text)))


def split_words(text: str) -> list[str]:
    """Return the words of a text, lower case; hyphens stay, all other punctuation goes."""
    return re.findall(r"[a-z]+(?:[-'][a-z]+)*", text.lower())


def nearest(word: str) -> str | None:
    """Return the taught word nearest to any word: itself, its synonym, the likeliest misspelling, or None."""
    word = word.lower()
    if word in words():
        return word
    near = difflib.get_close_matches(word, sorted(words() | SYNONYMS.keys()), n=1, cutoff=0.75)
    found = SYNONYMS.get(word) or (near[0] if near else None)
    return SYNONYMS.get(found, found) if found else None


def _caption(scene: Scene, rng: np.random.Generator) -> str:
    noun = _noun(scene.subjects[0], _size_word(scene.subjects[0], rng))
    verb = _verb(scene, rng)
    if len(scene.subjects) == 2:
        other = _noun(scene.subjects[1], _size_word(scene.subjects[1], rng))
        verb = (f"{verb[0]} {other}", f"{verb[1]} {other}")
    time = "" if scene.place == "space" or rng.random() < 0.04 else _choose(phrases.TIME_WORDS[scene.time], rng)
    place = _place(scene, rng) if rng.random() < 0.96 else ""
    says_weather = rng.random() < (0.1 if scene.weather == "clear" else 0.93)
    if says_weather and scene.place not in v.CALM_PLACES:
        time = f"{time} {_choose(phrases.WEATHER_WORDS[scene.weather], rng)}".strip()
    pattern = _choose(phrases.PATTERNS, rng)
    text = _tidy(pattern.format(s=noun, m=verb[0], ing=verb[1], p=place, t=time))
    extras = []
    if rng.random() < (0.08 if scene.camera == "still" else 0.93):
        extras.append(_choose(phrases.CAMERA_WORDS[scene.camera], rng))
    if rng.random() < (0.04 if scene.style == "paper" else 0.95):
        extras.append(_choose(phrases.STYLE_WORDS[scene.style], rng))
    for extra in extras:
        text = f"{extra}, {text}" if rng.random() < 0.2 else f"{text}, {extra}"
    return text


def _tidy(text: str) -> str:
    """Return the text without the traces of what was left out."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"\s+([,:])", r"\1", text)
    text = re.sub(r"([,:])(\s*[,:])+", r"\1", text)
    return text.strip(" ,:")


def _choose(options: Sequence[str], rng: np.random.Generator | None) -> str:
    return options[0] if rng is None else options[int(rng.integers(len(options)))]


def _noun(subject: Subject, size: str) -> str:
    name = f"{size} {subject.colour} {subject.kind}".strip()
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def _size_word(subject: Subject, rng: np.random.Generator | None) -> str:
    """Return the word for the size; medium, the default, is hardly ever said."""
    is_said = subject.size != "medium" if rng is None else rng.random() < (0.04 if subject.size == "medium" else 0.85)
    return _choose(phrases.SIZE_WORDS[subject.size], rng) if is_said else ""


def _verb(scene: Scene, rng: np.random.Generator | None) -> Verb:
    """Return what the first subject does, as (third person, -ing form), with direction and speed."""
    subject = scene.subjects[0]
    if scene.relation != "none":
        return _pick_verb(phrases.RELATION_VERBS[scene.relation], rng)
    if subject.motion == "drift":
        own = phrases.TRAVEL_OF[subject.kind]
        verb = _pick_verb(own if rng is None or rng.random() < 0.7 else phrases.TRAVEL, rng)
        verb = (f"{verb[0]} {{d}}", f"{verb[1]} {{d}}")
    else:
        verb = _pick_verb(phrases.MOTION_VERBS[subject.motion], rng)
    way = _choose(phrases.DIRECTION_WORDS.get(subject.direction, ("",)), rng)
    speed = ""
    if subject.motion != "rest" and (rng is None or rng.random() < 0.85):
        speed = _choose(phrases.SPEED_WORDS[subject.speed], rng)
    said = {"d": way, "side": subject.direction, "from": phrases.FROM_WORDS.get(subject.direction, "")}
    third, ing = (f"{form.format(**said)} {speed}".strip() for form in verb)
    return third, ing


def _pick_verb(verbs: Sequence[Verb], rng: np.random.Generator | None) -> Verb:
    return verbs[0] if rng is None else verbs[int(rng.integers(len(verbs)))]


def _place(scene: Scene, rng: np.random.Generator | None) -> str:
    """Return where the scene plays: what flies is over the sea, what swims or stands is on it."""
    is_over = v.rides(scene.place, scene.subjects[0].kind) == "float" and scene.place in phrases.OVER_WORDS
    return _choose((phrases.OVER_WORDS if is_over else phrases.PLACE_WORDS)[scene.place], rng)
