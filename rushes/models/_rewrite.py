"""Rewrite a prompt in the captioner's style: find the fields that it names, and say them as captions do.

The film model was taught on captions; a prompt that is worded like them asks for the same thing in words it knows.
The words are those of the paper world, written down once more, for nothing that serves people may need its renderer;
a test holds both against each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# Value -> how it can be put; the first is how captions put it. `|` parts the wordings.
_SIZES = {"small": "small|little|tiny", "medium": "medium-sized", "large": "large|big|huge"}
_SPEEDS = {"slow": "slowly|gently|calmly", "fast": "quickly|fast|swiftly"}
_WAYS = {
    "left": "left|to the left|leftward|towards the left",
    "right": "right|to the right|rightward|towards the right",
}
_COLOURS = "red|orange|yellow|green|teal|blue|purple|pink|brown|black|white|grey"
# How each kind travels; the first wording is the caption's.
_TRAVEL = {
    "car bus truck tractor": "drives|driving|rolls|rolling",
    "train bicycle ball": "rolls|rolling|rides|riding",
    "cat dog horse elephant rabbit giraffe penguin robot snowman": "walks|walking|strolls|strolling",
    "snail": "crawls|crawling|creeps|creeping",
    "sailboat ship": "sails|sailing|drifts|drifting",
    "canoe": "glides|gliding|drifts|drifting",
    "duck swan fish whale octopus turtle": "swims|swimming|glides|gliding",
    "jellyfish": "drifts|drifting|swims|swimming",
    "submarine": "glides|gliding|cruises|cruising",
    "plane helicopter rocket bird butterfly bee": "flies|flying|glides|gliding",
    "hot_air_balloon kite balloon star lantern": "drifts|drifting|floats|floating",
    "house windmill lighthouse tree mushroom umbrella": "slides|sliding|glides|gliding",
    "": "moves|moving|travels|travelling|goes|going",
}
_TRAVEL_OF = {kind.replace("_", " "): verbs for kinds, verbs in _TRAVEL.items() for kind in kinds.split()}
_KINDS = tuple(_TRAVEL_OF)
_AIR = "plane|helicopter|rocket|hot air balloon|bird|butterfly|bee|kite|balloon|star|lantern"
_DEEP = "fish|whale|octopus|jellyfish|turtle|submarine"
_FLOATING = frozenset(f"{_AIR}|{_DEEP}".split("|"))
_MOTIONS = {
    "rest": "rests|resting|stays still|staying still|stands still|standing still",
    "rise": "rises|rising|goes up|going up|climbs upward|climbing upward",
    "fall": "falls|falling|drops down|dropping down|tumbles down|tumbling down",
    "bounce": "bounces|bouncing|bounces up and down|bouncing up and down",
    "spin": "spins|spinning|turns around|turning around|rotates|rotating",
    "orbit": "circles|circling|flies in circles|flying in circles|orbits|orbiting",
    "swing": "swings|swinging|swings back and forth|swinging back and forth|sways|swaying",
    "grow": "grows|growing|gets bigger|getting bigger|becomes larger|becoming larger",
    "shrink": "shrinks|shrinking|gets smaller|getting smaller",
    "weave": "weaves|weaving|zigzags|zigzagging|waves|waving",
    "enter": "enters|entering|comes in|coming in|arrives|arriving",
    "leave": "leaves|leaving|goes away|going away|exits|exiting",
    "stop": "and stops|and stopping|and halts|and halting|stops|stopping|halts|halting",
    "hover": "hovers|hovering|hovers in place|hovering in place",
    "hop": "hops|hopping|jumps|jumping|leaps|leaping",
}
_RELATIONS = {
    "passes": "passes|passing|moves past|moving past|goes by|going by",
    "chases": "chases|chasing|follows|following|runs after|running after",
    "left_of": "is to the left of|to the left of|stands left of|standing left of|is on the left of|on the left of"
    "|left of",
    "behind": "is behind|behind|stands behind|standing behind|hides behind|hiding behind",
    "collides": "collides with|colliding with|bumps into|bumping into|crashes into|crashing into",
}
_PLACES = {
    "sea": "on the sea|at sea|on the ocean|across the sea|sea|ocean",
    "beach": "on the beach|at the beach|on a sandy beach|by the shore|beach|shore",
    "hills": "in the hills|in the green hills|among rolling hills|green hills|rolling hills|hills",
    "mountains": "in the mountains|among the mountains|below high mountains|high mountains|mountains",
    "desert": "in the desert|across the desert|in a sandy desert|sandy desert|desert",
    "city": "in the city|in the town|on a city street|city street|city|town",
    "underwater": "underwater|under the sea|deep under water|through the deep ocean|under water",
    "space": "in space|in outer space|among the stars|outer space|space",
    "forest": "in the forest|in the woods|among the trees|forest|woods",
    "snowfield": "on the snowfield|on a snowy field|across the white snow|snowfield|snowy field|white snow",
    "room": "in the room|in a room|indoors|at home|room",
    "farm": "on the farm|at the farm|beside a red barn|red barn|farm",
}
_OVER = {
    "sea": "over the sea|above the ocean|above the sea",
    "beach": "over the beach|above the beach",
    "hills": "over the hills|above the green hills",
    "mountains": "over the mountains|above the mountains",
    "desert": "over the desert|above the desert",
    "city": "over the city|above the city",
    "forest": "over the forest|above the woods",
    "snowfield": "over the snowfield|above a snowy field",
    "farm": "over the farm|above the farm",
}
_TIMES = {
    "dawn": "at dawn|at sunrise|in the early morning|as the sun rises|dawn|sunrise|early morning|morning",
    "day": "by day|during the day|in daylight|at noon|daylight|noon|day",
    "sunset": "at sunset|as the sun sets|in the orange sunset light|orange sunset light|orange sunset|sunset",
    "dusk": "at dusk|at twilight|in the evening|dusk|twilight|evening",
    "night": "at night|in the dark night|by moonlight|dark night|moonlight|night",
}
_WEATHERS = {
    "clear": "under a clear sky|in clear weather|clear sky|clear weather|clear",
    "cloudy": "under a cloudy sky|under dark clouds|in cloudy weather|cloudy sky|dark clouds|cloudy|clouds",
    "rain": "in the rain|while it rains|in rainy weather|rainy weather|rainy|rain",
    "snow": "in the snow|while it snows|in falling snow|while snow falls|falling snow|snow",
    "fog": "in the fog|in foggy weather|in the mist|foggy weather|foggy|fog|mist",
}
_CAMERAS = {
    "still": "the camera is still|static shot|the camera does not move|still camera|static camera",
    "pan_left": "the camera pans left|camera panning left|pan to the left|the camera moves left|camera pans left"
    "|pan left",
    "pan_right": "the camera pans right|camera panning right|pan to the right|the camera moves right|camera pans right"
    "|pan right",
    "tilt_up": "the camera tilts up|camera tilting up|the camera moves up|camera tilts up|tilt up",
    "tilt_down": "the camera tilts down|camera tilting down|the camera moves down|camera tilts down|tilt down",
    "zoom_in": "the camera zooms in|zooming in|slow zoom in|the camera moves closer|camera zooms in|zoom in",
    "zoom_out": "the camera zooms out|zooming out|slow zoom out|the camera moves away|camera zooms out|zoom out",
    "shake": "the camera shakes|shaky camera|handheld camera|camera shakes|handheld|shaky",
}
_STYLES = {
    "paper": "in paper style|made of cut paper|paper art|cut paper|paper style|paper",
    "flat": "in flat style|flat colours|flat illustration|flat style",
    "pixel": "in pixel style|pixel art|as pixel art|pixel style|pixel",
    "ink": "in ink style|black and white ink drawing|drawn in ink|ink drawing|ink style|ink",
    "neon": "in neon style|glowing neon lights|neon art|neon lights|neon style|neon",
    "watercolour": "in watercolour style|watercolour painting|painted in watercolour|watercolour style|watercolour",
}
_SHOTS = {"wide": "a wide shot|wide shot", "medium": "a medium shot|medium shot", "close": "a close shot|close shot"}
_TAGS = {"blurred": "blurred", "noisy": "noisy", "dim": "too dark"}
# Words that carry nothing by themselves.
_ARTICLES = "a|an|and|the|is|are|in|on|at|of|by|with|to|from|it|as|there"
_GLUE = frozenset(f"{_ARTICLES}|film|scene|we|see|watch|plays|picture|video|shot".split("|"))
_HEADING = {"heading left": "left", "heading right": "right", "moving up": "up", "moving down": "down"}
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*|[.,:;!?]")


@dataclass(slots=True, kw_only=True)
class NamedSubject:
    """What a text says of one subject; None is not said."""

    kind: str | None = None
    colour: str | None = None
    size: str | None = None
    motion: str | None = None
    direction: str | None = None
    speed: str | None = None


@dataclass(slots=True, kw_only=True)
class Named:
    """What a text names: subjects in order, the film's fields, tags, and the words that belong to no field."""

    subjects: list[NamedSubject] = field(default_factory=list)
    film: dict[str, str] = field(default_factory=dict)
    quality: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def _cues() -> dict[tuple[str, ...], tuple[str, str]]:
    tables = {
        "size": _SIZES, "speed": _SPEEDS, "way": _WAYS, "motion": _MOTIONS, "relation": _RELATIONS, "place": _PLACES,
        "time": _TIMES, "weather": _WEATHERS, "camera": _CAMERAS, "style": _STYLES, "shot": _SHOTS, "tag": _TAGS,
    }  # fmt: skip
    found = {tuple(text.split()): ("colour", text) for text in _COLOURS.split("|")}
    found |= {tuple(text.split()): ("kind", text) for text in _KINDS}
    found |= {tuple(verb.split()): ("motion", "drift") for verbs in _TRAVEL.values() for verb in verbs.split("|")}
    found |= {tuple(text.split()): ("heading", way) for text, way in _HEADING.items()}
    found |= {("from", "the", "left"): ("way", "right"), ("from", "the", "right"): ("way", "left")}
    for name, table in ({"over": _OVER} | tables).items():
        for value, texts in table.items():
            found |= {tuple(text.split()): ("place" if name == "over" else name, value) for text in texts.split("|")}
    return found


_CUES = _cues()
_LONGEST = max(len(cue) for cue in _CUES)


class _Reader:
    """Reads a text from left to right, the longest wording first."""

    def __init__(self) -> None:
        self.named = Named()
        self.size: str | None = None
        self.colour: str | None = None
        self.current: NamedSubject | None = None
        self.is_vague = False  # after "something", adjectives belong to it

    def take(self, name: str, value: str, before: str) -> None:
        if name in ("size", "colour"):
            self._adjective(name, value)
        elif name == "kind":
            self._subject(value, before)
        elif name in ("motion", "way", "speed", "heading"):
            self._act(name, value)
        elif name == "tag":
            self.named.quality.append(value)
        else:
            self.named.film.setdefault(name, value)
        self.is_vague = self.is_vague and name in ("size", "colour")

    def _adjective(self, name: str, value: str) -> None:
        if self.is_vague and self.current:
            setattr(self.current, name, value)
        else:
            setattr(self, name, value)

    def _subject(self, kind: str | None, before: str) -> None:
        same = [s for s in self.named.subjects if s.kind == kind]
        if kind and before == "the" and same and not (self.size or self.colour):
            self.current = same[0]
            return
        self.current = NamedSubject(kind=kind, colour=self.colour, size=self.size)
        self.size = self.colour = None
        self.named.subjects.append(self.current)
        self.is_vague = kind is None

    def _act(self, name: str, value: str) -> None:
        if self.current is None:
            self.current = NamedSubject()
            self.named.subjects.append(self.current)
        if name == "motion":
            # Travelling is what is left when a text says nothing more of a motion.
            if value != "drift" or self.current.motion is None:
                self.current.motion = value
        elif name == "speed":
            self.current.speed = value
        elif self.current.direction is None:
            self.current.direction = value


def read(text: str, synonyms: Mapping[str, str] | None = None) -> Named:
    """Return the fields that a text names; `synonyms` maps words that captions never use to those that they do."""
    known = {word for cue in _CUES for word in cue} | _GLUE | {"something"}
    words: list[str] = []
    for word in _WORD.findall(text.lower()):
        taught = (synonyms or {}).get(word, word) if word not in known else word
        whole = taught in known or (taught,) in _CUES or "-" not in taught
        words += [taught] if whole else taught.split("-")
    reader, at = _Reader(), 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            if cue := _CUES.get(tuple(words[at : at + length])):
                reader.take(*cue, words[at - 1] if at else "")
                break
        else:
            length = 1
            if words[at] == "something":
                reader._subject(None, "")
            elif words[at] not in _GLUE and words[at][0].isalnum():
                reader.named.others.append(words[at])
        at += length
    _settle(reader.named)
    return reader.named


def _settle(named: Named) -> None:
    """Give subjects without a word of their own to whoever has one: motion may be told before its subject."""
    vague = [s for s in named.subjects if s.kind is None and s.colour is None and s.size is None]
    solid = [s for s in named.subjects if not any(s is other for other in vague)]
    if vague and solid:
        for name in ("motion", "direction", "speed"):
            if getattr(solid[0], name) is None:
                setattr(solid[0], name, getattr(vague[0], name))
        named.subjects = solid
    for subject in named.subjects:
        if subject.direction is None and subject.motion in ("rise", "fall"):
            subject.direction = "up" if subject.motion == "rise" else "down"


def write(named: Named) -> str:
    """Return the caption of what was named: who does what, where, when, in which weather, how filmed and drawn."""
    first = named.subjects[0]
    relation = named.film.get("relation") if len(named.subjects) > 1 else None
    said = [_noun(first)]
    if relation:
        said.append(_first(_RELATIONS[relation]))
    elif first.motion:
        said.append(_verb(first))
    if len(named.subjects) > 1:
        said += [*([] if relation else ["and"]), _noun(named.subjects[1])]
    place, weather = named.film.get("place"), named.film.get("weather")
    if place:
        is_over = (first.kind in _FLOATING) and place in _OVER
        said.append(_first((_OVER if is_over else _PLACES)[place]))
    if (time := named.film.get("time")) and place != "space":
        said.append(_first(_TIMES[time]))
    if weather and weather != "clear":
        said.append(_first(_WEATHERS[weather]))
    parts = [" ".join(said)]
    parts += [
        _first(table[word]) for name, table, usual in _EXTRAS if (word := named.film.get(name)) not in (None, usual)
    ]
    parts += [" ".join(named.others)] if named.others else []
    return ", ".join(parts)


_EXTRAS: tuple[tuple[str, dict[str, str], str], ...] = (("camera", _CAMERAS, "still"), ("style", _STYLES, "paper"))


def _first(texts: str) -> str:
    return texts.partition("|")[0]


def _noun(subject: NamedSubject) -> str:
    size = _first(_SIZES[subject.size]) if subject.size and subject.size != "medium" else ""
    name = " ".join(part for part in (size, subject.colour, subject.kind) if part)
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def _verb(subject: NamedSubject) -> str:
    motion, way = subject.motion, subject.direction if subject.direction in _WAYS else None
    if motion == "drift":
        verb = f"{_first(_TRAVEL_OF[subject.kind or 'car'])} {way or ''}"
    elif motion == "stop":
        verb = f"moves {way or ''} and stops"
    elif motion == "enter" and way:
        verb = f"enters from the {'left' if way == 'right' else 'right'}"
    elif motion == "leave" and way:
        verb = f"leaves to the {way}"
    else:
        verb = f"{_first(_MOTIONS[motion or 'rest'])} {(way or '') if motion in ('weave', 'hop') else ''}"
    return " ".join(f"{verb} {_first(_SPEEDS[subject.speed]) if subject.speed else ''}".split())


def rewrite(prompt: str, synonyms: Mapping[str, str] | None = None) -> str:
    """Return the prompt in the captioner's words; what belongs to no field is kept behind a comma.

    A prompt whose first subject is nothing that captions name comes back as it was: rewriting it would lose it.
    """
    named = read(prompt, synonyms)
    if not named.subjects or any(subject.kind is None for subject in named.subjects) or len(named.subjects) > 2:
        return prompt
    return write(named)
