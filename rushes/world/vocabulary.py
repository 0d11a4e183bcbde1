"""The closed lists of the paper world: kinds, colours, places, times, weathers, motions, cameras and styles."""

from typing import Final

REALMS: Final[dict[str, tuple[str, ...]]] = {
    "land": (
        "car",
        "bus",
        "truck",
        "train",
        "tractor",
        "bicycle",
        "cat",
        "dog",
        "horse",
        "elephant",
        "rabbit",
        "giraffe",
        "penguin",
        "snail",
        "house",
        "windmill",
        "lighthouse",
        "tree",
        "robot",
        "snowman",
        "mushroom",
        "ball",
        "umbrella",
    ),
    "water": ("sailboat", "ship", "canoe", "duck", "swan"),
    "deep": ("fish", "whale", "octopus", "jellyfish", "turtle", "submarine"),
    "air": (
        "plane",
        "helicopter",
        "rocket",
        "hot air balloon",
        "bird",
        "butterfly",
        "bee",
        "kite",
        "balloon",
        "star",
        "lantern",
    ),
}
KINDS: Final[tuple[str, ...]] = tuple(kind for kinds in REALMS.values() for kind in kinds)
REALM_OF: Final[dict[str, str]] = {kind: realm for realm, kinds in REALMS.items() for kind in kinds}

COLOURS: Final[dict[str, tuple[int, int, int]]] = {
    "red": (214, 58, 52),
    "orange": (240, 138, 46),
    "yellow": (246, 202, 58),
    "green": (84, 158, 74),
    "teal": (38, 160, 154),
    "blue": (50, 104, 194),
    "purple": (126, 76, 166),
    "pink": (240, 136, 170),
    "brown": (132, 86, 56),
    "black": (48, 46, 54),
    "white": (247, 244, 236),
    "grey": (142, 144, 150),
}

SIZES: Final[dict[str, float]] = {"small": 0.24, "medium": 0.34, "large": 0.46}
SPEEDS: Final[dict[str, float]] = {"slow": 0.08, "normal": 0.15, "fast": 0.26}

PLACES: Final[tuple[str, ...]] = (
    "sea",
    "beach",
    "hills",
    "mountains",
    "desert",
    "city",
    "underwater",
    "space",
    "forest",
    "snowfield",
    "room",
    "farm",
)
TIMES: Final[tuple[str, ...]] = ("dawn", "day", "sunset", "dusk", "night")
WEATHERS: Final[tuple[str, ...]] = ("clear", "cloudy", "rain", "snow", "fog")
CALM_PLACES: Final[frozenset[str]] = frozenset({"underwater", "space", "room"})
VARIANTS: Final = 8

MOTIONS: Final[tuple[str, ...]] = (
    "rest",
    "drift",
    "rise",
    "fall",
    "bounce",
    "spin",
    "orbit",
    "swing",
    "grow",
    "shrink",
    "weave",
    "enter",
    "leave",
    "stop",
    "hover",
    "hop",
)
DIRECTIONS: Final[tuple[str, ...]] = ("left", "right", "up", "down", "none")
CAMERAS: Final[tuple[str, ...]] = (
    "still",
    "pan_left",
    "pan_right",
    "tilt_up",
    "tilt_down",
    "zoom_in",
    "zoom_out",
    "shake",
)
STYLES: Final[tuple[str, ...]] = ("paper", "flat", "pixel", "ink", "neon", "watercolour")
RELATIONS: Final[tuple[str, ...]] = ("none", "passes", "chases", "left_of", "behind", "collides")

SPACE_KINDS: Final[tuple[str, ...]] = ("rocket", "star", "lantern", "balloon", "robot", "hot air balloon", "ball")
ROOM_KINDS: Final[tuple[str, ...]] = (
    "ball",
    "robot",
    "cat",
    "dog",
    "mushroom",
    "umbrella",
    "snail",
    "rabbit",
    "lantern",
    "balloon",
    "star",
    "kite",
)

_REALMS_AT: Final[dict[str, tuple[str, ...]]] = {
    "sea": ("water", "air"),
    "beach": ("land", "water", "air"),
    "underwater": ("deep",),
}
_FITTING: Final[dict[str, tuple[str, ...]]] = {
    place: tuple(kind for realm in _REALMS_AT.get(place, ("land", "air")) for kind in REALMS[realm]) for place in PLACES
} | {"space": SPACE_KINDS, "room": ROOM_KINDS}


def kinds_at(place: str) -> tuple[str, ...]:
    """Return the kinds of subject that make sense at a place, in vocabulary order.

    Raises: KeyError for a place outside `PLACES`.
    """
    return _FITTING[place]


def places_of(kind: str) -> tuple[str, ...]:
    """Return the places where a kind of subject makes sense (never empty for a kind in `KINDS`)."""
    return tuple(place for place in PLACES if kind in _FITTING[place])


def rides(place: str, kind: str) -> str:
    """Return what carries a subject there: "ground", "water" or "float" (air, deep water and space)."""
    if place in {"space", "underwater"}:
        return "float"
    return {"land": "ground", "water": "water"}.get(REALM_OF[kind], "float")
