"""The models that a studio can make films with, as assistants read them: what each makes, and from what."""

from __future__ import annotations

from typing import Any

from rushes import tiers
from rushes.studio.house import House

PICTURE = "a still alone"
LICENCE = "Apache-2.0"  # of our own weights


def listed(house: House) -> list[dict[str, Any]]:
    """Return each model, our own first: its name, sizes (WIDTHxHEIGHT), most seconds, fps, pictures it reads, licence.

    `seconds` is 0 for a model of stills; `needs` names what a film of it can't be without.
    """
    own = {
        "model": tiers.MODEL,
        "sizes": [f"{width}x{height}" for width, height in tiers.SIZES],
        "seconds": float(tiers.MAX_SECONDS),
        "fps": list(tiers.LEGAL_FPS),
        "needs": [],
        "licence": LICENCE,
    }
    return [own, *(_open(name, native) for name, native in house.offered.items())]


def _open(name: str, native: tiers.Native) -> dict[str, Any]:
    shape, is_still = native.tier.shape, native.most_frames == 1
    sizes = native.sizes or ((shape.width, shape.height),)
    longest = 0.0 if is_still else round(native.most_frames / native.tier.fps, 1)
    said = {"model": name, "sizes": [f"{width}x{height}" for width, height in sizes], "seconds": longest}
    if not native.sizes:
        said["any_size"] = f"sides are multiples of {native.multiple_px} px, {native.most_pixels} pixels at most"
    return said | {"fps": list(native.fps), "needs": list(native.needs), "licence": native.licence}


def line(said: dict[str, Any]) -> str:
    """Return in a few words what a model of `listed` can do."""
    length = f"up to {said['seconds']:g} s" if said["seconds"] else PICTURE
    needs = f", needs a {' and a '.join(said['needs'])} picture" if said["needs"] else ""
    return f"{said['model']}: {length}, {', '.join(said['sizes'])}{needs}"
