"""Draw a scene of the paper world: its sheets are cut out once, then every frame is laid from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import skia

from rushes.world import sheets, styles, subjects
from rushes.world import vocabulary as v
from rushes.world.camera import View, view
from rushes.world.light import Light, light
from rushes.world.motion import SubjectState, state
from rushes.world.places import layers
from rushes.world.scene import Scene
from rushes.world.sheets import Frame, Sheet
from rushes.world.weather import draw_weather

_KEPT = sheets.Kept(sheets.CACHE_BYTES)


def render(scene: Scene, *, height: int, width: int, times_s: Sequence[float]) -> np.ndarray:
    """Return the scene's frames at the given times, uint8 RGB `[t h w 3]`; sizes in pixels, times in seconds.

    Raises:
        InputError: a side outside 16..4096 pixels, or one longer than three times the other.
    """
    frame = Frame(height=height, width=width)
    times = [float(t_s) for t_s in times_s]
    if not times:
        return np.empty((0, height, width, 3), np.uint8)
    if scene.style == "pixel":
        rows, cols = styles.pixel_grid(height, width, frame.unit_px)
        return styles.enlarge(_composite(scene, Frame(height=rows, width=cols), times), height, width)
    frames = _composite(scene, frame, times)
    return frames if scene.style in ("paper", "flat") else styles.restyle(scene.style, frames, frame.unit_px)


def _composite(scene: Scene, frame: Frame, times_s: Sequence[float]) -> np.ndarray:
    is_paper = scene.style == "paper"
    lit = light(scene.time, scene.weather)
    views = [view(scene, t_s) for t_s in times_s]
    backdrop = _backdrop(scene, lit, frame, (min(0.0, *times_s), max(scene.duration_s, *times_s)))
    pixels = np.zeros((frame.height, frame.width, 4), np.uint8)
    surface = skia.Surface(pixels, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType)
    canvas = surface.getCanvas()
    frames = np.empty((len(times_s), frame.height, frame.width, 3), np.uint8)
    for index, (t_s, seen) in enumerate(zip(times_s, views, strict=True)):
        spots = [sheet.place(seen, t_s) for sheet in backdrop]
        bottoms = _visible_bottoms(backdrop, spots, frame)
        first_in_front = next((i for i, sheet in enumerate(backdrop) if sheet.layer.in_front), len(backdrop))
        for part in (range(first_in_front), range(first_in_front, len(backdrop))):
            for i in part:
                whole = backdrop[i].pixels
                if whole is not None:
                    np.copyto(pixels, whole)
                else:
                    sheets.lay(canvas, backdrop[i], frame, spots[i], bottoms[i])
            canvas.save()
            canvas.translate(frame.width / 2, frame.height / 2)
            canvas.scale(frame.unit_px, frame.unit_px)
            if part.start == 0:
                _draw_subjects(canvas, scene, lit, seen, t_s, frame)
            else:
                draw_weather(canvas, scene.weather, t_s, frame.reach, scene.time)
            canvas.restore()
        for channel in range(3):  # one by one is five times faster than all three
            frames[index, ..., channel] = pixels[..., channel]
        if is_paper:
            styles.add_grain(frames[index])
    return frames


def _backdrop(scene: Scene, lit: Light, frame: Frame, span_s: tuple[float, float]) -> list[Sheet]:
    """Return the sheets that serve the whole film, from the kept ones if they are there."""
    is_paper = scene.style == "paper"
    span_s = (math.floor(span_s[0]), math.ceil(span_s[1]))
    camera = ("still", 0.0) if scene.camera == "still" else (scene.camera, scene.duration_s)
    key = (scene.place, scene.variant, scene.time, scene.weather, is_paper, frame, camera, span_s)
    kept = _KEPT.get(key)
    if kept is None:
        drawn = layers(scene.place, scene.variant, lit)
        ends = [view(scene, t_s) for t_s in span_s]
        kept = sheets.cut(drawn, frame, span_s, ends, has_shadows=is_paper)
        _KEPT.put(key, kept)
    return kept


def _visible_bottoms(backdrop: Sequence[Sheet], spots: Sequence[tuple[float, float, float]], frame: Frame) -> list[int]:
    """Return, per sheet, the row from which nearer sheets hide it wholly; most of a place is hidden like that."""
    bottoms, visible = [0] * len(backdrop), frame.height
    for i in reversed(range(len(backdrop))):
        bottoms[i] = visible
        sheet, (_, y, scale) = backdrop[i], spots[i]
        if math.isfinite(sheet.solid_top):
            solid = frame.height / 2 + (y + (sheet.solid_top - sheet.top) * scale) * frame.unit_px
            visible = min(visible, max(0, math.ceil(solid) + 2))
    return bottoms


def _draw_subjects(canvas: skia.Canvas, scene: Scene, lit: Light, seen: View, t_s: float, frame: Frame) -> None:
    """Draw the subjects, the first one nearest to the back, on a canvas in units from the centre."""
    r, g, b = (min(255, round(255 * share)) for share in lit.subject)
    tint = skia.ColorFilters.Blend(skia.Color(r, g, b), skia.BlendMode.kModulate)
    for index, subject in enumerate(scene.subjects):
        at = state(scene, index, t_s, frame.reach[0])
        x, y, scale = seen.place(at.x, at.y)
        side = v.SIZES[subject.size] * at.scale * scale
        reach = (x - 0.75 * side, y - 0.75 * side, x + 0.75 * side, y + 0.75 * side)
        if reach[0] > frame.reach[0] or reach[2] < -frame.reach[0]:
            continue
        cutout = _cutout(subject.kind, subject.colour, at, (x, y, side), reach)
        if scene.style == "paper":
            sheets.draw_shadow(canvas, cutout.playback, reach, frame.unit_px, sheets.SUBJECT_SHADOW * at.opacity)
        paint = skia.Paint(ColorFilter=tint)
        paint.setAlphaf(at.opacity)
        canvas.saveLayer(skia.Rect.MakeLTRB(*reach), paint)
        cutout.playback(canvas)
        canvas.restore()


def _cutout(
    kind: str, colour: str, at: SubjectState, box: tuple[float, float, float], reach: tuple[float, ...]
) -> skia.Picture:
    """Return a subject's drawing in its box (centre and side in units), to be played twice: shadow and paper."""
    x, y, side = box
    recorder = skia.PictureRecorder()
    canvas = recorder.beginRecording(skia.Rect.MakeLTRB(*reach))
    canvas.translate(x, y)
    canvas.rotate(at.rotation)
    canvas.scale(-side if at.flipped else side, side)
    subjects.draw(canvas, kind, subjects.tone(colour), at.phase_s)
    return recorder.finishRecordingAsPicture()


def subject_mask(
    scene: Scene,
    *,
    rows: int,
    cols: int,
    height: int,
    width: int,
    times_s: Sequence[float],
    only: int | None = None,
) -> np.ndarray:
    """Return the share of each cell of a grid that subjects' boxes cover, float32 `[t rows cols]` in 0..1.

    `only` is the index of the one subject that counts; without it all do.
    """
    frame = Frame(height=height, width=width)
    free = np.ones((len(times_s), rows, cols), np.float32)
    for step, t_s in enumerate(times_s):
        seen = view(scene, float(t_s))
        for index, subject in enumerate(scene.subjects):
            if only is not None and index != only:
                continue
            at = state(scene, index, float(t_s), frame.reach[0])
            x, y, half = _box(at, v.SIZES[subject.size], seen)
            across = _overlap(x, half, frame.reach[0], cols)
            down = _overlap(y, half, frame.reach[1], rows)
            free[step] *= 1 - np.outer(down, across)
    return 1 - free


def _box(at: SubjectState, size: float, seen: View) -> tuple[float, float, float]:
    """Return the centre and half side of the upright box around a subject's own, turned box, in units."""
    x, y, scale = seen.place(at.x, at.y)
    turn = math.radians(at.rotation)
    spread = min(abs(math.cos(turn)) + abs(math.sin(turn)), 1.2)  # no drawing fills the corners of its box
    return x, y, size * at.scale * scale / 2 * spread


def _overlap(centre: float, half: float, reach: float, cells: int) -> np.ndarray:
    edges = np.linspace(-reach, reach, cells + 1, dtype=np.float32)
    covered = np.minimum(edges[1:], centre + half) - np.maximum(edges[:-1], centre - half)
    return np.clip(covered / (2 * reach / cells), 0.0, 1.0)
