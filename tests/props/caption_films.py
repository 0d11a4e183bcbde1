"""A few films as the captioner learns from them, and a captioner small enough to learn in a test."""

from collections.abc import Callable
from functools import cache

import numpy as np

from rushes.data.banks.bank import Bank, Row
from rushes.data.banks.caption_rows import CaptionRows, DetailRows
from rushes.models.captioner import CaptionerConfig
from rushes.train.describe import Films

NUM = 16
SMALL = CaptionerConfig(
    widths=(8, 8, 12), close_widths=(6, 8, 8), shape_width=24, colour_width=8, slots=2, width=32, depth=1, heads=2,
    text_depth=1, embedding=16, moves=8,
)  # fmt: skip


def _bank(make: Callable[[int], Row]) -> Bank:
    rows = [make(index) for index in range(NUM)]
    columns = {name: np.stack([arrays[name] for arrays, _ in rows]) for name in rows[0][0]}
    return Bank([columns], [values for _, values in rows], NUM)


@cache
def caption_films() -> Films:
    """Return sixteen films of the full breadth of the world; drawn once a process."""
    return Films(small=_bank(CaptionRows()), details=_bank(DetailRows()))
