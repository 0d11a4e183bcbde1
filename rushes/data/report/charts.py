"""Charts of a dataset's report: histograms as inline SVG, with the bounds of a cut drawn in. Colours are the page's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

BINS = 36
WIDTH, HEIGHT, TOP, BASE = 300, 112, 22, 92
LOG_FROM = 30.0  # a logarithmic axis where the 95th percentile is so many times the 5th
_SIDE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From `low` to `high`; values beyond are drawn at the ends. `is_log` axes hold positive numbers only."""

    low: float
    high: float
    is_log: bool

    def place(self, values: np.ndarray) -> np.ndarray:
        """Return where values lie, 0 at `low` to 1 at `high`, float64 `[n]`."""
        found = np.clip(np.asarray(values, np.float64), self.low, self.high)
        low, high = self.low, self.high
        if self.is_log:
            found, low, high = np.log(found), math.log(low), math.log(high)
        return (found - low) / (high - low)

    def at(self, place: float) -> float:
        """Return the value at a place between 0 and 1."""
        if self.is_log:
            return float(math.exp(math.log(self.low) * (1 - place) + math.log(self.high) * place))
        return self.low * (1 - place) + self.high * place


def axis(values: np.ndarray, bounds: Sequence[float] = ()) -> Axis:
    """Return an axis that shows 98 % of finite `values` (float64 `[n]`) and every bound, with room beside them."""
    finite = values[np.isfinite(values)]
    marks = [bound for bound in bounds if math.isfinite(bound)]
    positive = finite[finite > 0]
    if positive.size and finite.min() >= 0 and all(mark > 0 for mark in marks):
        five, ninety_five = np.quantile(positive, (0.05, 0.95))
        if ninety_five >= LOG_FROM * five:
            low, high = np.exp(_ends(np.log(positive)))
            low, high = min([low, *(mark / 1.5 for mark in marks)]), max([high, *(mark * 1.5 for mark in marks)])
            return Axis(low=float(low), high=float(high), is_log=True)
    low, high = _ends(finite if finite.size else np.array(marks or [0.0]))
    low, high = min([low, *marks]), max([high, *marks])
    room = 0.04 * (high - low)
    # Zero is an end in itself: no room is made beyond it.
    low = low - room if low in marks and low != 0 else low
    high = high + room if high in marks else high
    if high <= low or not math.isfinite(high - low):
        low, high = low - max(abs(low), 1.0) / 2, low + max(abs(low), 1.0) / 2
    return Axis(low=low, high=high, is_log=False)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Return where an axis may end: at the extremes, unless the last hundredths would take a fifth of it."""
    low, high = (float(value) for value in np.quantile(values, (0.01, 0.99)))
    room = (high - low) / 8
    least, most = float(values.min()), float(values.max())
    return (least if least >= low - room else low), (most if most <= high + room else high)


def histogram(values: np.ndarray, good: np.ndarray, *, bounds: Sequence[float] = (), label: str = "") -> Markup:
    """Return an SVG histogram of `values` (float64 `[n]`), those that are `good` (bool `[n]`) below the others.

    NaN is left out. Dashed lines mark `bounds`. `label` is read to people who cannot see the picture.
    """
    across = axis(values, bounds)
    finite = np.isfinite(values)
    place = np.minimum((across.place(values[finite]) * BINS).astype(int), BINS - 1)
    kept = np.bincount(place[good[finite]], minlength=BINS)
    lost = np.bincount(place[~good[finite]], minlength=BINS)
    most = max(1, int((kept + lost).max()))
    step, scale = (WIDTH - 2 * _SIDE) / BINS, (BASE - TOP) / most
    bars = []
    for index, (below, above) in enumerate(zip(kept.tolist(), lost.tolist(), strict=True)):
        x, y = _SIDE + index * step, float(BASE)
        for count, kind in ((below, "good"), (above, "bad")):
            if count:
                height = max(1.0, count * scale)
                y -= height
                bars.append(
                    f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{step - 1:.1f}" height="{height:.1f}"/>'
                )
    marks = across.place(np.array(bounds, np.float64))
    inside = "".join([*bars, *_ticks(across, values[finite]), *_marks(bounds, marks.tolist())])
    if not (marks < 0.3).any():
        inside += f'<text class="most" x="{_SIDE}" y="11">tallest bar {most:,}</text>'
    elif not (marks > 0.7).any():
        inside += f'<text class="most" x="{WIDTH - _SIDE}" y="11" text-anchor="end">tallest bar {most:,}</text>'
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'<line class="axis" x1="{_SIDE}" x2="{WIDTH - _SIDE}" y1="{BASE}" y2="{BASE}"/>{inside}</svg>'
    )


def _ticks(across: Axis, values: np.ndarray) -> list[str]:
    """Return the labels below: both ends, which gather what lies beyond them, and the middle."""
    found = []
    for place, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        sign = "≤ " if place == 0 and (values < across.low).any() else ""
        sign = "≥ " if place == 1 and (values > across.high).any() else sign
        x = _SIDE + place * (WIDTH - 2 * _SIDE)
        found.append(
            f'<text x="{x:.1f}" y="{BASE + 16}" text-anchor="{anchor}">{sign}{number(across.at(place))}</text>'
        )
    return found


def _marks(bounds: Sequence[float], places: Sequence[float]) -> list[str]:
    found = []
    for bound, place in zip(bounds, places, strict=True):
        x = _SIDE + place * (WIDTH - 2 * _SIDE)
        anchor, shift = ("end", -4) if place > 0.5 else ("start", 4)
        found.append(
            f'<line class="cut" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{BASE + 3}"/>'
            f'<text class="cut" x="{x + shift:.1f}" y="11" text-anchor="{anchor}">{number(bound)}</text>'
        )
    return found


def number(value: float) -> str:
    """Return a number in three significant digits, without an exponent where it stays short."""
    if value == 0 or 0.001 <= abs(value) < 1e6:
        text = f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
        return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
    return f"{value / 1e6:,.3g} million" if 1e6 <= abs(value) < 1e12 else f"{value:.2g}"
