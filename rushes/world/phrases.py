"""The words of captions: how each motion, place, time, weather, camera and style can be put."""

from __future__ import annotations

# (third person, -ing form); {d} is the direction, {side} left or right, {from} where it comes from
Verb = tuple[str, str]

SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium-sized",),
    "large": ("large", "big", "huge"),
}
SPEED_WORDS: dict[str, tuple[str, ...]] = {
    "slow": ("slowly", "gently", "calmly"),
    "normal": ("",),
    "fast": ("quickly", "fast", "swiftly"),
}
DIRECTION_WORDS: dict[str, tuple[str, ...]] = {
    "left": ("left", "to the left", "leftward", "towards the left"),
    "right": ("right", "to the right", "rightward", "towards the right"),
}
FROM_WORDS: dict[str, str] = {"right": "from the left", "left": "from the right"}

TRAVEL: tuple[Verb, ...] = (("moves", "moving"), ("travels", "travelling"), ("goes", "going"))
TRAVEL_OF: dict[str, tuple[Verb, ...]] = {
    kinds_verb[0]: kinds_verb[1]
    for kinds, verbs in {
        "car bus truck tractor": (("drives", "driving"), ("rolls", "rolling")),
        "train bicycle ball": (("rolls", "rolling"), ("rides", "riding")),
        "cat dog horse elephant rabbit giraffe penguin robot snowman": (("walks", "walking"), ("strolls", "strolling")),
        "snail": (("crawls", "crawling"), ("creeps", "creeping")),
        "sailboat ship": (("sails", "sailing"), ("drifts", "drifting")),
        "canoe": (("glides", "gliding"), ("drifts", "drifting")),
        "duck swan fish whale octopus turtle": (("swims", "swimming"), ("glides", "gliding")),
        "jellyfish": (("drifts", "drifting"), ("swims", "swimming")),
        "submarine": (("glides", "gliding"), ("cruises", "cruising")),
        "plane helicopter rocket bird butterfly bee": (("flies", "flying"), ("glides", "gliding")),
        "hot_air_balloon kite balloon star lantern": (("drifts", "drifting"), ("floats", "floating")),
        "house windmill lighthouse tree mushroom umbrella": (("slides", "sliding"), ("glides", "gliding")),
    }.items()
    for kinds_verb in ((kind.replace("_", " "), verbs) for kind in kinds.split())
}

MOTION_VERBS: dict[str, tuple[Verb, ...]] = {
    "rest": (("rests", "resting"), ("stays still", "staying still"), ("stands still", "standing still")),
    "rise": (("rises", "rising"), ("goes up", "going up"), ("climbs upward", "climbing upward")),
    "fall": (("falls", "falling"), ("drops down", "dropping down"), ("tumbles down", "tumbling down")),
    "bounce": (("bounces", "bouncing"), ("bounces up and down", "bouncing up and down")),
    "spin": (("spins", "spinning"), ("turns around", "turning around"), ("rotates", "rotating")),
    "orbit": (("circles", "circling"), ("flies in circles", "flying in circles"), ("orbits", "orbiting")),
    "swing": (("swings", "swinging"), ("swings back and forth", "swinging back and forth"), ("sways", "swaying")),
    "grow": (("grows", "growing"), ("gets bigger", "getting bigger"), ("becomes larger", "becoming larger")),
    "shrink": (("shrinks", "shrinking"), ("gets smaller", "getting smaller")),
    "weave": (("weaves {d}", "weaving {d}"), ("zigzags {d}", "zigzagging {d}"), ("waves {d}", "waving {d}")),
    "enter": (
        ("enters {from}", "entering {from}"),
        ("comes in {from}", "coming in {from}"),
        ("arrives {from}", "arriving {from}"),
    ),
    "leave": (
        ("leaves to the {side}", "leaving to the {side}"),
        ("goes away to the {side}", "going away to the {side}"),
        ("exits to the {side}", "exiting to the {side}"),
    ),
    "stop": (
        ("moves {d} and stops", "moving {d} and stopping"),
        ("goes {d} and halts", "going {d} and halting"),
    ),
    "hover": (("hovers", "hovering"), ("hovers in place", "hovering in place")),
    "hop": (("hops {d}", "hopping {d}"), ("jumps {d}", "jumping {d}"), ("leaps {d}", "leaping {d}")),
}

RELATION_VERBS: dict[str, tuple[Verb, ...]] = {
    "passes": (("passes", "passing"), ("moves past", "moving past"), ("goes by", "going by")),
    "chases": (("chases", "chasing"), ("follows", "following"), ("runs after", "running after")),
    "left_of": (
        ("is to the left of", "to the left of"),
        ("stands left of", "standing left of"),
        ("is on the left of", "on the left of"),
    ),
    "behind": (("is behind", "behind"), ("stands behind", "standing behind"), ("hides behind", "hiding behind")),
    "collides": (
        ("collides with", "colliding with"),
        ("bumps into", "bumping into"),
        ("crashes into", "crashing into"),
    ),
}

PLACE_WORDS: dict[str, tuple[str, ...]] = {
    "sea": ("on the sea", "at sea", "on the ocean", "across the sea"),
    "beach": ("on the beach", "at the beach", "on a sandy beach", "by the shore"),
    "hills": ("in the hills", "in the green hills", "among rolling hills"),
    "mountains": ("in the mountains", "among the mountains", "below high mountains"),
    "desert": ("in the desert", "across the desert", "in a sandy desert"),
    "city": ("in the city", "in the town", "on a city street"),
    "underwater": ("underwater", "under the sea", "deep under water", "through the deep ocean"),
    "space": ("in space", "in outer space", "among the stars"),
    "forest": ("in the forest", "in the woods", "among the trees"),
    "snowfield": ("on the snowfield", "on a snowy field", "across the white snow"),
    "room": ("in the room", "in a room", "indoors", "at home"),
    "farm": ("on the farm", "at the farm", "beside a red barn"),
}
OVER_WORDS: dict[str, tuple[str, ...]] = {
    "sea": ("over the sea", "above the ocean", "above the sea"),
    "beach": ("over the beach", "above the beach"),
    "hills": ("over the hills", "above the green hills"),
    "mountains": ("over the mountains", "above the mountains"),
    "desert": ("over the desert", "above the desert"),
    "city": ("over the city", "above the city"),
    "forest": ("over the forest", "above the woods"),
    "snowfield": ("over the snowfield", "above a snowy field"),
    "farm": ("over the farm", "above the farm"),
}
TIME_WORDS: dict[str, tuple[str, ...]] = {
    "dawn": ("at dawn", "at sunrise", "in the early morning", "as the sun rises"),
    "day": ("by day", "during the day", "in daylight", "at noon"),
    "sunset": ("at sunset", "as the sun sets", "in the orange sunset light"),
    "dusk": ("at dusk", "at twilight", "in the evening"),
    "night": ("at night", "in the dark night", "by moonlight"),
}
WEATHER_WORDS: dict[str, tuple[str, ...]] = {
    "clear": ("under a clear sky", "in clear weather"),
    "cloudy": ("under a cloudy sky", "under dark clouds", "in cloudy weather"),
    "rain": ("in the rain", "while it rains", "in rainy weather"),
    "snow": ("in the snow", "while it snows", "in falling snow", "while snow falls"),
    "fog": ("in the fog", "in foggy weather", "in the mist"),
}
CAMERA_WORDS: dict[str, tuple[str, ...]] = {
    "still": ("the camera is still", "static shot", "the camera does not move"),
    "pan_left": ("the camera pans left", "camera panning left", "pan to the left", "the camera moves left"),
    "pan_right": ("the camera pans right", "camera panning right", "pan to the right", "the camera moves right"),
    "tilt_up": ("the camera tilts up", "camera tilting up", "the camera moves up"),
    "tilt_down": ("the camera tilts down", "camera tilting down", "the camera moves down"),
    "zoom_in": ("the camera zooms in", "zooming in", "slow zoom in", "the camera moves closer"),
    "zoom_out": ("the camera zooms out", "zooming out", "slow zoom out", "the camera moves away"),
    "shake": ("the camera shakes", "shaky camera", "handheld camera"),
}
STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "paper": ("in paper style", "made of cut paper", "paper art"),
    "flat": ("in flat style", "flat colours", "flat illustration"),
    "pixel": ("in pixel style", "pixel art", "as pixel art"),
    "ink": ("in ink style", "black and white ink drawing", "drawn in ink"),
    "neon": ("in neon style", "glowing neon lights", "neon art"),
    "watercolour": ("in watercolour style", "watercolour painting", "painted in watercolour"),
}

# {s} subject, {m} verb in third person, {ing} verb in -ing, {p} place, {t} time
PATTERNS: tuple[str, ...] = (
    "{s} {m} {p} {t}",
    "{s} {m} {p} {t}",
    "{t}, {s} {m} {p}",
    "{p} {t}, {s} {m}",
    "{p}, {s} {m} {t}",
    "{t} {p}, {s} {m}",
    "{s} {ing} {p} {t}",
    "{s} {p} {t}, {ing}",
    "a film of {s} {ing} {p} {t}",
    "there is {s} {ing} {p} {t}",
    "we see {s} {ing} {p} {t}",
    "{s} {t}, {ing} {p}",
    "{p} {t}: {s} {ing}",
    "a scene {p} {t} with {s} {ing}",
    "{t}: {s} {ing} {p}",
    "watch {s} {ing} {p} {t}",
)
