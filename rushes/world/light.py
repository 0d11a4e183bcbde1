"""The light of a scene: sky colours, sun or moon, and how paper and subjects take on the time and the weather."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import lru_cache

from rushes.errors import InputError

RGB = tuple[float, float, float]


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Return `a` with `share` in 0..1 of `b` mixed in."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def grey(a: RGB, share: float) -> RGB:
    """Return `a` with `share` in 0..1 of its colourfulness removed."""
    value = 0.3 * a[0] + 0.59 * a[1] + 0.11 * a[2]
    return mix(a, (value, value, value), share)


def colour(rgb: RGB, opacity: float = 1.0) -> int:
    """Return `rgb` (0..255, clipped) as a Skia ARGB integer."""
    r, g, b = (min(255, max(0, round(value))) for value in rgb)
    return (round(255 * opacity) << 24) | (r << 16) | (g << 8) | b


@dataclass(frozen=True, slots=True, kw_only=True)
class Orb:
    """The sun or the moon: `kind` is sun, crescent or moon.

    A low orb's `y` counts from the horizon of the place, a high one's from the frame centre; units, y down.
    """

    kind: str
    x: float
    y: float
    radius: float
    is_low: bool
    face: RGB
    glow: RGB
    opacity: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Everything that time and weather decide; colours are RGB in 0..255.

    `sky` is top, middle and horizon; `haze` what distance fades to, `haze_share` how much at infinity;
    `paper` and `subject` multiply the colours of paper layers and of subjects, per channel;
    `sea` is what open water takes on from the sky, by `sea_share`.
    """

    time: str
    weather: str
    sky: tuple[RGB, RGB, RGB]
    haze: RGB
    paper: RGB
    subject: RGB
    orb: Orb
    cloud: RGB
    sea: RGB
    sea_share: float
    num_stars: int = 0
    haze_share: float = 0.62
    greyness: float = 0.0
    whiteness: float = 0.0

    @property
    def is_dark(self) -> bool:
        """Say whether windows and lamps are lit."""
        return self.time in ("dusk", "night")

    def tint(self, rgb: RGB, depth: float = 1.0) -> RGB:
        """Return the RGB that paper of colour `rgb` shows at `depth` in this light."""
        lit = grey(rgb, self.greyness)
        if self.whiteness:
            lit = mix(lit, (250.0, 252.0, 255.0), self.whiteness)
        lit = (lit[0] * self.paper[0], lit[1] * self.paper[1], lit[2] * self.paper[2])
        return mix(lit, self.haze, self.haze_share * max(0.0, 1.0 - depth))

    def water(self, rgb: RGB, depth: float) -> int:
        """Return what open water of colour `rgb` shows: it mirrors the sky, the more the farther."""
        return colour(mix(mix(self.tint(rgb), self.sea, self.sea_share), self.sky[2], 0.55 * max(0.0, 1.0 - depth)))

    def lamp(self, rgb: RGB, depth: float = 1.0) -> int:
        """Return what paper of colour `rgb` shows where a lamp burns behind it: warm yellow once it is dark."""
        return colour((255.0, 214.0, 112.0)) if self.is_dark else self.shade(rgb, depth)

    def shade(self, rgb: RGB, depth: float = 1.0, opacity: float = 1.0) -> int:
        """Return `tint(rgb, depth)` as a Skia ARGB integer."""
        return colour(self.tint(rgb, depth), opacity)


_TIMES: dict[str, Light] = {
    "dawn": Light(
        time="dawn",
        weather="clear",
        sky=((176, 184, 222), (246, 196, 204), (255, 232, 188)),
        haze=(252, 214, 204),
        paper=(1.0, 0.89, 0.92),
        subject=(1.0, 0.95, 0.95),
        orb=Orb(kind="sun", x=-0.30, y=-0.02, radius=0.12, is_low=True, face=(255, 246, 206), glow=(255, 238, 190)),
        cloud=(255, 226, 222),
        sea=(186, 166, 214),
        sea_share=0.30,
    ),
    "day": Light(
        time="day",
        weather="clear",
        sky=((92, 172, 224), (146, 206, 234), (208, 236, 240)),
        haze=(206, 232, 240),
        paper=(1.0, 1.0, 1.0),
        subject=(1.0, 1.0, 1.0),
        orb=Orb(kind="sun", x=0.29, y=-0.29, radius=0.085, is_low=False, face=(255, 224, 96), glow=(255, 244, 176)),
        cloud=(252, 252, 250),
        sea=(80, 176, 214),
        sea_share=0.05,
    ),
    "sunset": Light(
        time="sunset",
        weather="clear",
        sky=((206, 74, 84), (244, 126, 64), (255, 202, 92)),
        haze=(255, 168, 92),
        paper=(0.96, 0.68, 0.56),
        subject=(1.0, 0.88, 0.80),
        orb=Orb(kind="sun", x=0.28, y=-0.05, radius=0.18, is_low=True, face=(255, 236, 130), glow=(255, 190, 84)),
        cloud=(255, 178, 128),
        sea=(158, 54, 92),
        sea_share=0.62,
    ),
    "dusk": Light(
        time="dusk",
        weather="clear",
        sky=((66, 58, 128), (128, 84, 158), (226, 140, 164)),
        haze=(176, 112, 164),
        paper=(0.56, 0.48, 0.74),
        subject=(0.84, 0.78, 0.92),
        orb=Orb(
            kind="crescent", x=-0.29, y=-0.27, radius=0.08, is_low=False, face=(255, 240, 206), glow=(190, 150, 204)
        ),
        cloud=(160, 104, 166),
        sea=(96, 72, 156),
        sea_share=0.25,
        num_stars=6,
    ),
    "night": Light(
        time="night",
        weather="clear",
        sky=((14, 22, 58), (24, 38, 86), (46, 68, 122)),
        haze=(48, 72, 126),
        paper=(0.33, 0.42, 0.66),
        subject=(0.70, 0.76, 0.92),
        orb=Orb(kind="moon", x=0.29, y=-0.28, radius=0.085, is_low=False, face=(250, 244, 218), glow=(96, 118, 172)),
        cloud=(50, 66, 114),
        sea=(28, 52, 112),
        sea_share=0.30,
        num_stars=26,
    ),
}


def _scale(rgb: RGB, share: float) -> RGB:
    return (rgb[0] * share, rgb[1] * share, rgb[2] * share)


def _veiled(orb: Orb, weather: str) -> Orb:
    """Return the orb as it looks through `weather`; a high one hangs lower, to peep out below the cloud bank."""
    opacity = {"cloudy": 0.75, "rain": 0.6, "snow": 0.7, "fog": 0.55}[weather]
    return replace(orb, opacity=opacity, y=orb.y if orb.is_low or weather == "fog" else orb.y + 0.08)


def _under(base: Light, weather: str) -> Light:
    """Return the clear light `base` as it is under `weather`."""
    if weather == "clear":
        return base
    greyness, dim, veil, whiteness = {
        "cloudy": (0.40, 0.94, 0.10, 0.0),
        "rain": (0.46, 0.80, 0.10, 0.0),
        "snow": (0.45, 0.98, 0.20, 0.34),
        "fog": (0.50, 1.0, 0.40, 0.0),
    }[weather]
    low = grey(base.sky[2], greyness)
    top, middle, horizon = (_scale(mix(grey(rgb, greyness), low, veil), dim) for rgb in base.sky)
    return replace(
        base,
        weather=weather,
        sky=(top, middle, horizon),
        haze=_scale(grey(base.haze, greyness), dim),
        haze_share=0.95 if weather == "fog" else base.haze_share,
        paper=_scale(base.paper, dim),
        subject=_scale(base.subject, 0.5 + 0.5 * dim),
        orb=_veiled(base.orb, weather),
        cloud=_scale(grey(base.cloud, greyness), dim),
        sea=_scale(grey(base.sea, greyness), dim),
        num_stars=0,
        greyness=0.6 * greyness,
        whiteness=whiteness,
    )


TIMES = tuple(_TIMES)
WEATHERS = ("clear", "cloudy", "rain", "snow", "fog")


@lru_cache(maxsize=64)
def light(time: str, weather: str) -> Light:
    """Return the light at `time` under `weather`.

    Raises:
        InputError: an unknown time or weather; the known ones are listed, nearest first.
    """
    for name, value, known in (("time", time, TIMES), ("weather", weather, WEATHERS)):
        if value not in known:
            near = difflib.get_close_matches(value, known, n=1)
            order = near + [other for other in known if other not in near]
            raise InputError(f"there is no {name} {value!r}; known: {', '.join(order)}")
    return _under(_TIMES[time], weather)
