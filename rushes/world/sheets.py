"""Layers as pixels: each is cut out once with its soft shadow, cropped, kept, and laid into every frame."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import skia

from rushes.errors import InputError
from rushes.world.camera import MAX_SHAKE, View
from rushes.world.places import Layer

ASPECT = 16 / 9
MIN_SIDE_PX = 16
MAX_SIDE_PX = 4096
LONGEST = 3  # sides may be 3:1, beyond that the backdrops end
CACHE_BYTES = 192 * 2**20
SHADOW_OFFSET = (0.006, 0.012)
SHADOW_SIGMA = 0.009
SHADOW_INK = (20, 14, 36)
LAYER_SHADOW = 0.30
SUBJECT_SHADOW = 0.36
_GRID = 0.05  # sheets cover multiples of this many units, so that films with slightly other paths can share them
_FINE_UNIT_PX = 400  # in frames this large, half a pixel is too little to see and sheets are laid on whole pixels
_LINEAR = skia.SamplingOptions(skia.FilterMode.kLinear)
_NEAREST = skia.SamplingOptions()

Draw = Callable[[skia.Canvas], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame's size in pixels.

    Raises:
        InputError: a side outside 16..4096, or one longer than three times the other.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            side = getattr(self, name)
            if not MIN_SIDE_PX <= side <= MAX_SIDE_PX:
                nearest = MIN_SIDE_PX if side < MIN_SIDE_PX else MAX_SIDE_PX
                raise InputError(f"{name} {side} is illegal; the nearest legal value is {nearest}")
        longest = LONGEST * min(self.height, self.width)
        if max(self.height, self.width) > longest:
            name = "width" if self.width > self.height else "height"
            raise InputError(f"{self.width}x{self.height} is too long; the nearest legal {name} is {longest}")

    @property
    def unit_px(self) -> float:
        """Pixels in one unit: the frame's height at 16:9, and the same area per unit at any other aspect."""
        return math.sqrt(self.height * self.width / ASPECT)

    @property
    def reach(self) -> tuple[float, float]:
        """How far the frame reaches from its centre, across and down, in units."""
        return self.width / 2 / self.unit_px, self.height / 2 / self.unit_px


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The pixels of neighbouring layers that move together; `left` and `top` in units, `unit_px` pixels per unit.

    From `solid_top` (units, infinite if nowhere) down it hides all that lies farther away. `pixels` is set for sheets
    that fill the frame and never move.
    """

    image: skia.Image | None
    left: float
    top: float
    unit_px: float
    solid_top: float
    layer: Layer
    pixels: np.ndarray | None = None

    def place(self, seen: View, t_s: float) -> tuple[float, float, float]:
        """Return where its corner lies in the frame at a time (units from the centre), and its magnification."""
        moved_x, moved_y = self.layer.offset(t_s)
        return seen.place(self.left + moved_x, self.top + moved_y, self.layer.depth)

    @property
    def num_bytes(self) -> int:
        image = 0 if self.image is None else 4 * self.image.width() * self.image.height()
        return image + (0 if self.pixels is None else self.pixels.nbytes)


class Kept:
    """Sheets by key; the least recently used are forgotten once all together take more than `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[object, ...], list[Sheet]] = OrderedDict()
        self.num_bytes = 0

    def get(self, key: tuple[object, ...]) -> list[Sheet] | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: tuple[object, ...], sheets: list[Sheet]) -> None:
        self._kept[key] = sheets
        self.num_bytes += sum(sheet.num_bytes for sheet in sheets)
        while self.num_bytes > self._max_bytes and len(self._kept) > 1:
            _, forgotten = self._kept.popitem(last=False)
            self.num_bytes -= sum(sheet.num_bytes for sheet in forgotten)


def cut(
    layers: Sequence[Layer], frame: Frame, times_s: Sequence[float], views: Sequence[View], *, has_shadows: bool
) -> list[Sheet]:
    """Return the sheets of a place's layers, farthest first, large enough for all that the views ever show.

    `times_s` and `views` are the ends of the camera's path; between them it may shake, but not turn back.
    """
    is_still = all(seen == View() for seen in views)
    detail = max(seen.zoom for seen in views)
    groups: list[list[Layer]] = []
    for layer in layers:
        last = groups[-1][-1] if groups else None
        # sheets that never move apart become one; at depth 0 the camera moves none
        together = last is not None and _stands(last) and _stands(layer) and last.in_front == layer.in_front
        if together and (is_still or (last is not None and last.depth == layer.depth)):
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return [_raster(group, frame, _reach(group[-1], frame, times_s, views), detail, has_shadows) for group in groups]


def _stands(layer: Layer) -> bool:
    return layer.drift == (0.0, 0.0) and layer.sway_amplitude == 0.0


def _reach(layer: Layer, frame: Frame, times_s: Sequence[float], views: Sequence[View]) -> tuple[float, ...]:
    """Return left, top, right and bottom, in units, of all that the frame ever shows of a layer."""
    across, down = frame.reach
    if _stands(layer) and (layer.depth == 0 or all(seen == View() for seen in views)):
        return -across, -down, across, down
    edges = []
    for t_s, seen in zip(times_s, views, strict=True):
        moved_x, moved_y = layer.offset(t_s)
        scale = seen.zoom**layer.depth
        x, y = layer.depth * seen.x - moved_x, layer.depth * seen.y - moved_y
        edges.append((x - across / scale, y - down / scale, x + across / scale, y + down / scale))
    lefts, tops, rights, bottoms = zip(*edges, strict=True)
    spare_y = _GRID / 2 + layer.depth * MAX_SHAKE
    spare_x = spare_y + 2 * layer.sway_amplitude
    low = (min(lefts) - spare_x, min(tops) - spare_y)
    high = (max(rights) + spare_x, max(bottoms) + spare_y)
    return (*(math.floor(side / _GRID) * _GRID for side in low), *(math.ceil(side / _GRID) * _GRID for side in high))


def _raster(group: Sequence[Layer], frame: Frame, reach: tuple[float, ...], detail: float, has_shadows: bool) -> Sheet:
    left, top, right, bottom = reach
    is_whole = abs(left + frame.reach[0]) + abs(top + frame.reach[1]) < 1e-9 and _stands(group[0])
    unit_px = frame.unit_px * (1.0 if is_whole else detail)
    width, height = (math.ceil((high - low) * unit_px - 1e-6) for low, high in ((left, right), (top, bottom)))
    pixels = np.zeros((height, width, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType).getCanvas()
    canvas.scale(unit_px, unit_px)
    canvas.translate(-left, -top)
    for layer in group:
        if layer.shadow and has_shadows:
            draw_shadow(canvas, layer.draw, reach, unit_px, LAYER_SHADOW)
        layer.draw(canvas)
    if is_whole and not group[0].in_front and pixels[..., 3].min() == 255:
        return Sheet(
            image=None, left=left, top=top, unit_px=unit_px, solid_top=-math.inf, layer=group[0], pixels=pixels
        )
    return _crop(pixels, left, top, unit_px, group[0])


def _crop(pixels: np.ndarray, left: float, top: float, unit_px: float, layer: Layer) -> Sheet:
    """Return a sheet without its empty margins."""
    alpha = pixels[..., 3]
    rows, cols = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if not len(rows):
        return Sheet(image=None, left=left, top=top, unit_px=unit_px, solid_top=math.inf, layer=layer)
    holes = np.flatnonzero(alpha.min(axis=1) < 255)
    first_solid = int(holes[-1]) + 1 if len(holes) else 0
    # one empty pixel stays all around, so that edges keep fading when the sheet is laid between pixels
    up, start = max(0, int(rows[0]) - 1), max(0, int(cols[0]) - 1)
    used = np.ascontiguousarray(pixels[up : rows[-1] + 2, start : cols[-1] + 2])
    return Sheet(
        image=skia.Image.fromarray(used, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType),
        left=left + start / unit_px,
        top=top + up / unit_px,
        unit_px=unit_px,
        solid_top=top + first_solid / unit_px if first_solid < len(alpha) else math.inf,
        layer=layer,
    )


def draw_shadow(canvas: skia.Canvas, draw: Draw, reach: Sequence[float], unit_px: float, opacity: float) -> None:
    """Draw the soft shadow of what `draw` draws within `reach` (left, top, right, bottom) on a canvas in units.

    It is blurred at a fraction of the resolution: nobody can tell, and it costs a tenth.
    """
    small_px = unit_px / max(1.0, math.floor(SHADOW_SIGMA * unit_px / 0.6))
    left, top, right, bottom = reach
    width, height = (math.ceil((high - low) * small_px) for low, high in ((left, right), (top, bottom)))
    alpha = np.zeros((max(1, height), max(1, width)), np.uint8)
    soft = skia.Surface(alpha, skia.kAlpha_8_ColorType, skia.kPremul_AlphaType).getCanvas()
    soft.scale(small_px, small_px)
    soft.translate(-left, -top)
    draw(soft)
    alpha = _soften(alpha)
    empty, solid = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.min(axis=1) < 255)
    if not len(empty) or not len(solid):
        return  # nothing is drawn, or it fills the frame: then its shadow lies wholly beneath it
    first, last = int(empty[0]), min(int(empty[-1]), int(solid[-1]) + 1)
    image = skia.Image.fromarray(
        np.ascontiguousarray(alpha[first : last + 1]), skia.kAlpha_8_ColorType, skia.kPremul_AlphaType
    )
    canvas.save()
    canvas.translate(left + SHADOW_OFFSET[0], top + SHADOW_OFFSET[1] + first / small_px)
    canvas.scale(1 / small_px, 1 / small_px)
    canvas.drawImage(image, 0, 0, _LINEAR, skia.Paint(Color=skia.Color(*SHADOW_INK, round(255 * opacity))))
    canvas.restore()


def _soften(alpha: np.ndarray) -> np.ndarray:
    """Return uint8 `[h w]` blurred by 1-2-1 across and down: that is `SHADOW_SIGMA` at the shadow's resolution."""
    wide = np.pad(alpha, 1, mode="edge").astype(np.uint16)
    rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    return ((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:] + 8) // 16).astype(np.uint8)


def lay(canvas: skia.Canvas, sheet: Sheet, frame: Frame, at: tuple[float, float, float], bottom_px: int) -> None:
    """Draw a sheet with its corner `at` (x, y in units, magnification) on a canvas in pixels, above row `bottom_px`."""
    if sheet.image is None:
        return
    x, y, scale = at
    left, top = frame.width / 2 + x * frame.unit_px, frame.height / 2 + y * frame.unit_px
    canvas.save()
    canvas.clipRect(skia.Rect.MakeLTRB(0, 0, frame.width, bottom_px), doAntiAlias=False)
    if abs(scale * frame.unit_px / sheet.unit_px - 1) < 1e-9:
        if frame.unit_px >= _FINE_UNIT_PX or (_is_whole(left) and _is_whole(top)):
            canvas.drawImage(sheet.image, round(left), round(top), _NEAREST)
        else:
            canvas.drawImage(sheet.image, left, top, _LINEAR)
    else:
        canvas.translate(left, top)
        canvas.scale(scale * frame.unit_px / sheet.unit_px, scale * frame.unit_px / sheet.unit_px)
        canvas.drawImage(sheet.image, 0, 0, _LINEAR)
    canvas.restore()


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-3
