"""Whether films show what their prompts say: the oracle's answers against the scenes, attribute by attribute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rushes.errors import InputError
from rushes.evaluate.metric import Metric, Row
from rushes.world.scene import Scene
from rushes.world.vocabulary import CALM_PLACES

ATTRIBUTES = ("place", "time", "weather", "kind", "colour", "direction", "motion", "size", "camera")
Z_95 = 1.959963984540054


def truth(scene: Scene) -> dict[str, str]:
    """Return what is to be read off a film of `scene`, for the attributes that it has.

    Weather is left out where there is none (underwater, in space, in a room), time in space, and the direction of a
    motion that has none.
    """
    subject = scene.subjects[0]
    words = {name: str(getattr(subject if hasattr(subject, name) else scene, name)) for name in ATTRIBUTES}
    if scene.place in CALM_PLACES:
        del words["weather"]
    if scene.place == "space":
        del words["time"]
    if subject.direction == "none":
        del words["direction"]
    return words


def wilson(right: int, num: int, z: float = Z_95) -> tuple[float, float]:
    """Return the ends of the Wilson score interval of a share; (0, 1) when there is nothing to count.

    Source: Wilson, Probable Inference (JASA 1927), as in Brown, Cai and DasGupta (2001), eq. 4.
    """
    if num == 0:
        return 0.0, 1.0
    share, spread = right / num, z * z / num
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / num + spread / (4 * num))
    return max(0.0, middle - half), min(1.0, middle + half)


def row(attribute: str, right: int, num: int) -> Row:
    """Return the score of an attribute read right `right` times of `num`, with its interval; shares in 0..1."""
    low, high = wilson(right, num)
    share = right / num if num else None
    return {"attribute": attribute, "right": right, "num": num, "share": share, "low": low, "high": high}


def measure(films: Sequence[Mapping[str, str]], against: Sequence[Scene]) -> list[Row]:
    """Score the oracle's answers on films against their scenes, a row per attribute with a 95 % Wilson interval.

    Raises:
        InputError: another number of films than of scenes.
    """
    if len(films) != len(against):
        raise InputError(f"there are {len(films)} films for {len(against)} scenes")
    truths = [truth(scene) for scene in against]
    rows = []
    for attribute in ATTRIBUTES:
        hits = [
            answers[attribute] == true[attribute]
            for answers, true in zip(films, truths, strict=True)
            if attribute in true
        ]
        rows.append(row(attribute, sum(hits), len(hits)))
    return rows


SPEC = Metric(
    name="prompt_fidelity",
    source="after GenEval (arXiv 2310.11513): a detector's reading of the picture, scored attribute by attribute",
    measure=measure,
)
