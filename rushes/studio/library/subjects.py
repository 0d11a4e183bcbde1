"""Subjects: pictures of what a film shows, drawn anew, cut out on arrival, and kept beside their cut-outs."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from rushes import given
from rushes.errors import InputError
from rushes.media import picture
from rushes.store import Store
from rushes.studio.house import House
from rushes.studio.library.vocabulary import SHIPPED

LONGEST_PX, CUT_PX = 512, 192  # of a kept picture; of what a cut-out of 48 pixels is cut from, quickly
QUALITY = 95
NOT_SHOWN = "these weights can't be shown a subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject's picture (WebP, with its transparency) and what is cut out of it (PNG)."""

    picture: bytes
    cutout: bytes

    @property
    def sha256(self) -> str:
        """Return the picture's SHA-256, hexadecimal."""
        return hashlib.sha256(self.picture).hexdigest()

    def keep(self, store: Store, folder: str) -> str:
        """Put both into `folder` of a store; return the picture's key."""
        key = f"{folder}{self.sha256}.webp"
        store.put(cutout_key(key), self.cutout)
        store.put(key, self.picture)
        return key


def cutout_key(key: str) -> str:
    """Return where the cut-out of the picture at `key` lies."""
    return key.removesuffix(".webp") + ".png"


def drawn(content: bytes) -> Subject:
    """Return what a stranger's picture shows. Raises: InputError where it is none, or nothing can be cut out of it."""
    picture.cleaned(content, longest_px=CUT_PX)  # refuses what is no picture, damaged, or too large to be opened
    with Image.open(io.BytesIO(content), formats=picture.FORMATS) as found:
        whole = ImageOps.exif_transpose(found).convert("RGBA")
    whole.thumbnail((LONGEST_PX, LONGEST_PX))
    made = io.BytesIO()
    whole.save(made, "WEBP", quality=QUALITY)
    whole.thumbnail((CUT_PX, CUT_PX))
    with tempfile.TemporaryDirectory(prefix="rushes-") as folder:
        path = Path(folder) / "the picture"  # as errors call it
        whole.save(path, "PNG")
        cut = given.cutout(path)
    return Subject(picture=made.getvalue(), cutout=_png(cut))


def all_drawn(sent: Iterable[tuple[str, bytes]]) -> tuple[list[Subject], list[str]]:
    """Return what pictures (name and bytes) show, and in a sentence each why others were refused."""
    found, refused = [], []
    for name, content in sent:
        try:
            found.append(drawn(content))
        except InputError as error:
            refused.append(f"{name}: {error}")
    return found, refused


def data_url(cutout: bytes) -> str:
    """Return a cut-out as an address that holds it, for pages that show what is not kept."""
    return f"data:image/png;base64,{base64.b64encode(cutout).decode()}"


def why_not(house: House, model: str) -> str:
    """Return why `model` can't be shown a subject; empty where it can."""
    native = house.offered.get(model)
    if native is not None:
        return "" if "subject" in native.conditions else f"{model} can't be shown a subject"
    can_show = _can_show(Path(house.config.weights or SHIPPED))
    if can_show is None:
        return "whether the weights can be shown a subject is not known on this machine"
    return "" if can_show else NOT_SHOWN


@functools.lru_cache(maxsize=4)
def _can_show(folder: Path) -> bool | None:
    """Return whether the weights in `folder` draw drafts, plan them and cut subjects out; None where none are here."""
    try:
        film = json.loads((folder / "film" / "config.json").read_text(encoding="utf-8"))["config"]
    except FileNotFoundError:
        return None
    parts = all((folder / name).is_dir() for name in ("layout", "cutout"))
    return parts and bool(film.get("layout")) and bool(film.get("draft"))


def _png(cut: np.ndarray) -> bytes:
    """Return a cut-out, float32 `[4 p p]` with colours times alpha, as a picture."""
    alpha = np.maximum(cut[3:], 1e-3)
    pixels = np.concatenate((np.minimum(cut[:3] / alpha, 1.0), cut[3:]))
    made = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8).transpose(1, 2, 0)).save(made, "PNG")
    return made.getvalue()
