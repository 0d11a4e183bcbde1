"""Films at a glance: a contact sheet of frames with captions, and pictures saved whole or not at all."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rushes.errors import InputError
from rushes.media.encode import one_line, replacing

PAPER, INK, SOFT, EDGE = (246, 243, 237), (44, 42, 40), (128, 123, 116), (222, 217, 208)
PICTURE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_MARGIN, _GAP, _RADIUS = 40, 24, 6
_TITLE_PX, _CAPTION_PX, _TITLE_LINES, _CAPTION_LINES = 28, 17, 3, 3
_LINE = 1.35

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def pick(num_frames: int, count: int) -> list[int]:
    """Return the indices of at most `count` frames spread evenly over a film, the first and the last among them."""
    if num_frames < 1 or count < 1:
        raise InputError(f"cannot pick {count} of {num_frames} frames; the nearest legal value is 1")
    count = min(count, num_frames)
    return [round(i * (num_frames - 1) / max(count - 1, 1)) for i in range(count)]


def timecode(seconds: float) -> str:
    """Return `m:ss.cc`, the place of a frame in its film."""
    hundredths = round(seconds * 100)
    return f"{hundredths // 6000}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def contact_sheet(
    frames: Sequence[np.ndarray],
    *,
    columns: int,
    title: str = "",
    captions: Sequence[str] = (),
    times_s: Sequence[float] = (),
    width_px: int = 1600,
) -> np.ndarray:
    """Return one picture, uint8 `[h w 3]`, `width_px` wide, that shows `frames` (uint8 `[h w 3]`) in rows.

    Below each frame stand its time (`times_s`, seconds) and its caption; a frame of another shape than the first
    is fitted into the same cell. Long text is wrapped and then cut; accents are dropped and letters outside Latin
    show as `?`, because Pillow's own font has none.

    Raises:
        InputError: no frames, no columns, captions or times of another number, or cells too narrow to see.
    """
    if not len(frames):
        raise InputError("a contact sheet needs at least one frame")
    if columns < 1:
        raise InputError(f"columns is {columns}; the nearest legal value is 1")
    for name, texts in (("captions", captions), ("times_s", times_s)):
        if len(texts) not in (0, len(frames)):
            raise InputError(f"there are {len(texts)} {name} for {len(frames)} frames")
    columns = min(columns, len(frames))
    narrowest = 2 * _MARGIN + columns * 48 + (columns - 1) * _GAP
    if width_px < narrowest:
        raise InputError(
            f"width_px {width_px} is too little for {columns} columns; the nearest legal value is {narrowest}"
        )
    cell_w = (width_px - 2 * _MARGIN - (columns - 1) * _GAP) // columns
    height, width = frames[0].shape[:2]
    cell_h = max(1, round(cell_w * height / width))
    labels = _labels(captions, times_s, cell_w, len(frames))
    rows = [range(start, min(start + columns, len(frames))) for start in range(0, len(frames), columns)]
    label_px = [max((_block_px(labels[i], _CAPTION_PX) for i in row), default=0) for row in rows]
    heading = _wrap(title, _font(_TITLE_PX), width_px - 2 * _MARGIN, _TITLE_LINES)
    top = _MARGIN + (_block_px(heading, _TITLE_PX) + 16 if heading else 0)
    total = top + sum(cell_h + px for px in label_px) + (len(rows) - 1) * _GAP + _MARGIN
    sheet = Image.new("RGB", (width_px, total), PAPER)
    _write(sheet, heading, (_MARGIN, _MARGIN - 6), _TITLE_PX, [INK] * len(heading))
    y = top
    for row, px in zip(rows, label_px, strict=True):
        for column, index in enumerate(row):
            x = _MARGIN + column * (cell_w + _GAP)
            _paste(sheet, frames[index], (x, y, cell_w, cell_h))
            has_time = bool(len(times_s))
            colours = [SOFT if has_time and i == 0 else INK for i in range(len(labels[index]))]
            _write(sheet, labels[index], (x, y + cell_h + 8), _CAPTION_PX, colours)
        y += cell_h + px + _GAP
    return np.asarray(sheet)


def save_image(path: Path, picture: np.ndarray, *, force: bool = False) -> None:
    """Write a picture, uint8 `[h w 3]`, as .png, .jpg or .webp; it appears when it is whole.

    Raises:
        InputError: another extension, a path that exists (unless `force`) or cannot be written.
        RushesError: the disk is full.
    """
    if path.suffix.lower() not in PICTURE_FORMATS:
        raise InputError(f"cannot write {path.name}: {path.suffix!r} is none of {', '.join(PICTURE_FORMATS)}")
    with replacing(path, force=force) as temporary, one_line(path):
        Image.fromarray(picture).save(temporary, format=PICTURE_FORMATS[path.suffix.lower()], quality=92)


def _font(size_px: int) -> Font:
    return ImageFont.load_default(size_px)


def _block_px(lines: list[str], size_px: int) -> int:
    return round(len(lines) * size_px * _LINE) + (8 if lines else 0)


def _labels(captions: Sequence[str], times_s: Sequence[float], width_px: int, count: int) -> list[list[str]]:
    font, labels = _font(_CAPTION_PX), []
    for index in range(count):
        lines = [timecode(times_s[index])] if len(times_s) else []
        if len(captions):
            lines += _wrap(captions[index], font, width_px, _CAPTION_LINES)
        labels.append(lines)
    return labels


def _wrap(text: str, font: Font, width_px: int, max_lines: int) -> list[str]:
    """Return `text` in lines no wider than `width_px`; what does not fit in `max_lines` ends in an ellipsis."""
    lines: list[str] = []
    for word in (piece for whole in _drawable(text).split() for piece in _break(whole, font, width_px)):
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(joined) <= width_px:
            lines[-1] = joined
        elif len(lines) < max_lines:
            lines.append(word)
        else:
            last = lines[-1]
            while last and font.getlength(f"{last}...") > width_px:
                last = last[:-1]
            lines[-1] = f"{last.rstrip(' ,.')}..."
            break
    return lines


def _drawable(text: str) -> str:
    """Return `text` in the letters that Pillow's own font has: accents are dropped, other scripts become `?`."""
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() else "?" for letter in letters)


def _break(word: str, font: Font, width_px: int) -> list[str]:
    """Return a word in pieces that each fit: scripts without spaces, and very long words."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and font.getlength(pieces[-1] + letter) > width_px:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _write(
    sheet: Image.Image, lines: list[str], at: tuple[int, int], size_px: int, colours: list[tuple[int, int, int]]
) -> None:
    draw, font = ImageDraw.Draw(sheet), _font(size_px)
    for number, (line, colour) in enumerate(zip(lines, colours, strict=True)):
        draw.text((at[0], at[1] + round(number * size_px * _LINE)), line, fill=colour, font=font)


def _paste(sheet: Image.Image, frame: np.ndarray, box: tuple[int, int, int, int]) -> None:
    """Fit a frame into (x, y, width, height), its corners rounded a little; the rest of the cell is a pale mount."""
    x, y, cell_w, cell_h = box
    height, width = frame.shape[:2]
    scale = min(cell_w / width, cell_h / height)
    size = (max(1, math.floor(width * scale + 0.5)), max(1, math.floor(height * scale + 0.5)))
    cell = Image.new("RGB", (cell_w, cell_h), EDGE)
    picture = Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    cell.paste(picture, ((cell_w - size[0]) // 2, (cell_h - size[1]) // 2))
    mask = Image.new("L", (cell_w * 4, cell_h * 4), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, cell_w * 4 - 1, cell_h * 4 - 1), _RADIUS * 4, fill=255)
    sheet.paste(cell, (x, y), mask.resize((cell_w, cell_h), Image.Resampling.BOX))
