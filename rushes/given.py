"""What a request's conditions name: pictures and films, read as the model and its painter need them. No torch."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from rushes.errors import InputError
from rushes.layouts import CUTOUT_PX, CUTOUT_REACH
from rushes.media import decode
from rushes.tiers import OVERLAP_S, Plan
from rushes.types import Area, Condition, GenerationRequest

WHOLE = ("remix", "edges", "sketch", "depth")  # conditions whose films are looked at from their beginning to their end
VIEW_FPS = 8  # frames per second that the model sees; rushes/generate.py checks that it does
FEATHER = 0.03  # of the picture's height: how softly an area that was made anew meets the rest
PIECE_BYTES = 1 << 20
LARGEST_PX, LEAST_PX = 512, 8  # of a subject's picture
OPAQUE, SEEN = 250, 32  # alpha: a picture without any below has no transparency; what is seen is above
MOST_COVERED = 0.95  # of a picture without transparency by its subject; where there is more, nothing was cut off
ALIKE = 48  # of the sums of differences of R, G and B: what still is background


def film(condition: Condition, shot: Plan, cell_px: int, num_frames: int) -> np.ndarray:
    """Return the first `num_frames` views (at 8 a second) of a condition's film, uint8 `[t h w 3]`.

    Raises:
        InputError: the file is not there, has changed since the condition was written, or holds no pictures.
    """
    return np.stack(list(_views(condition, shot, cell_px, num_frames)))


def end(condition: Condition, shot: Plan, cell_px: int) -> np.ndarray:
    """Return the views of the last seconds before a film is gone on from, uint8 `[t h w 3]`; the rest is not kept."""
    known = min(shot.given_s, OVERLAP_S) * VIEW_FPS
    skipped = shot.given_s * VIEW_FPS - known
    return np.stack(list(itertools.islice(_views(condition, shot, cell_px, skipped + known), skipped, None)))


def views(request: GenerationRequest, shot: Plan, cell_px: int) -> dict[str, np.ndarray]:
    """Return the pictures that lead a film, `[t h w 3]` uint8, by condition.

    It begins, ends, goes on or is made anew from them, or is laid out as they are.
    """
    shown: dict[str, np.ndarray] = {}
    for condition in request.conditions:
        if condition.kind in ("first", "last"):
            shown[condition.kind] = film(condition, shot, cell_px, num_frames=1)
        elif condition.kind == "extend":
            shown[condition.kind] = end(condition, shot, cell_px)
        elif condition.kind in WHOLE:
            shown[condition.kind] = film(condition, shot, cell_px, num_frames=shot.seconds * VIEW_FPS)
    return shown


def _views(condition: Condition, shot: Plan, cell_px: int, num_frames: int) -> Iterator[np.ndarray]:
    size = {"height": shot.rows * cell_px, "width": shot.columns * cell_px}
    return decode.filling(_file(condition), num_frames=num_frames, fps=VIEW_FPS, **size)


def _file(condition: Condition) -> Path:
    path = Path(condition.uri)
    if condition.sha256 and digest(path) != condition.sha256:
        raise InputError(f"{path.name} has changed since it was named; name it again to use it as it is now")
    return path


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal. Raises: InputError where it can't be read."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                found.update(piece)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    return found.hexdigest()


def subject(request: GenerationRequest) -> np.ndarray | None:
    """Return the subject that a request shows as a cut-out, float32 RGBA `[4 p p]` in 0..1, colours times alpha.

    Raises:
        InputError: the file is not there, has changed, is no picture, or shows nothing in front of one plain colour.
    """
    condition = request.condition("subject")
    return None if condition is None else cutout(_file(condition))


def cutout(path: Path) -> np.ndarray:
    """Cut a thing out of its picture: by its transparency, or else off the plain colour that surrounds it.

    The longer side of what is left fills the box of a cut-out (`rushes.layouts`). Raises: InputError.
    """
    try:
        with Image.open(path) as file:
            whole = ImageOps.exif_transpose(file).convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path.name} is no picture that can be read: {error}") from None
    whole.thumbnail((LARGEST_PX, LARGEST_PX))
    alpha = whole.getchannel("A")
    if np.asarray(alpha).min() > OPAQUE:
        alpha = _off_its_background(whole.convert("RGB"))
        if np.asarray(alpha).mean() > MOST_COVERED * 255:
            raise InputError(f"{path.name} has no plain background; give a picture with a transparent or plain one")
        whole.putalpha(alpha)
    box = alpha.point(lambda value: 255 * (value > SEEN)).getbbox()
    if box is None or min(box[2] - box[0], box[3] - box[1]) < LEAST_PX:
        said = "shows no subject that can be cut out"
        raise InputError(f"{path.name} {said}; give a picture with a transparent or one plain background")
    inner = round(CUTOUT_PX / 2 / CUTOUT_REACH)
    thing = ImageOps.contain(whole.crop(box), (inner, inner), Image.Resampling.LANCZOS)
    sheet = Image.new("RGBA", (CUTOUT_PX, CUTOUT_PX))
    sheet.paste(thing, ((CUTOUT_PX - thing.width) // 2, (CUTOUT_PX - thing.height) // 2))
    pixels = np.asarray(sheet, np.float32).transpose(2, 0, 1) / 255
    return np.concatenate((pixels[:3] * pixels[3:], pixels[3:]))


def _off_its_background(picture: Image.Image) -> Image.Image:
    """Return the alpha of what stands before the colour around it: whatever that colour's flood from outside spares."""
    border = np.asarray(picture)
    edge = np.concatenate((border[0], border[-1], border[:, 0], border[:, -1]))
    colour = tuple(int(value) for value in np.median(edge, axis=0))
    framed = ImageOps.expand(picture, 1, fill=colour)
    before = np.asarray(framed)
    mark = tuple(255 - value if abs(127 - value) > 40 else 255 for value in colour)
    ImageDraw.floodfill(framed, (0, 0), mark, thresh=ALIKE)
    reached = (np.asarray(framed) != before).any(-1)
    flooded = Image.fromarray(np.where(reached, 0, 255).astype(np.uint8))
    return ImageOps.crop(flooded, 1).filter(ImageFilter.GaussianBlur(0.6))


def frames(request: GenerationRequest, shot: Plan) -> Iterator[np.ndarray]:
    """Yield the frames that are there before the first new one, uint8 RGB `[h w 3]`."""
    extended = request.condition("extend")
    if extended is not None:
        yield from _whole(extended, shot, shot.given_s * shot.fps)


def around(request: GenerationRequest, shot: Plan, painted: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield frames as they are, or, where only an area was made anew, laid softly into those of the earlier film."""
    remix = request.condition("remix")
    if remix is None or remix.area is None:
        yield from painted
        return
    share = _softly(remix.area, shot)
    before = _whole(remix, shot, shot.shape.frames)
    for new, old in zip(painted, before, strict=True):
        yield np.rint(old + share * (new.astype(np.float32) - old)).astype(np.uint8)


def is_free(area: Area, shot: Plan) -> np.ndarray:
    """Return which cells an area touches, bool `[rows columns]`: those are made anew."""
    left, top, right, bottom = area
    rows, columns = np.arange(shot.rows), np.arange(shot.columns)
    down = (rows + 1 > top * shot.rows) & (rows < bottom * shot.rows)
    across = (columns + 1 > left * shot.columns) & (columns < right * shot.columns)
    return down[:, None] & across


def _whole(condition: Condition, shot: Plan, num_frames: int) -> Iterator[np.ndarray]:
    size = {"height": shot.shape.height, "width": shot.shape.width}
    return decode.filling(_file(condition), num_frames=num_frames, fps=shot.fps, **size)


def _softly(area: Area, shot: Plan) -> np.ndarray:
    """Return how much of each pixel is new, float32 `[h w 1]`: 1 inside the area, falling to 0 just outside it."""
    height, width = shot.shape.height, shot.shape.width
    left, top, right, bottom = (round(at * side) for at, side in zip(area, (width, height) * 2, strict=True))
    soft = max(1.0, FEATHER * height)
    y, x = np.arange(height) + 0.5, np.arange(width) + 0.5
    away = np.maximum(
        np.maximum(top - y, y - bottom).clip(0)[:, None], np.maximum(left - x, x - right).clip(0)[None, :]
    )
    return (1 - away / soft).clip(0, 1).astype(np.float32)[..., None]
