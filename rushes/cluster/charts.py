"""Plots of a plan as inline SVG: curves over logarithmic axes, points against a diagonal, shares of a step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

from rushes.data.report.charts import Axis, number

WIDTH, HEIGHT = 370, 236
LEFT, RIGHT, TOP, BASE = 54, 360, 10, 192

Points = Sequence[tuple[float, float]]


def ends(values: Sequence[float], *, is_log: bool) -> Axis:
    """Return an axis that shows all `values` with a little room."""
    low, high = min(values), max(values)
    if is_log:
        room = max((high / low) ** 0.06, 1.05)
        return Axis(low=low / room, high=high * room, is_log=True)
    room = 0.06 * (high - low) or abs(high) or 1.0
    return Axis(low=low - room, high=high + room, is_log=False)


def ticks(axis: Axis, most: int = 5) -> list[float]:
    """Return round numbers inside an axis, at most about `most` of them."""
    if axis.is_log:
        powers = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = [digit * 10.0**power for power in powers for digit in digits]
            found = [value for value in found if axis.low <= value <= axis.high]
            if len(found) <= most:
                return found if len(found) > 1 else [axis.low, axis.high]
        return found[:: math.ceil(len(found) / most)]
    raw = (axis.high - axis.low) / most
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(digit * unit for digit in (1, 2, 5, 10) if digit * unit >= raw)
    first = math.ceil(axis.low / step)
    return [index * step for index in range(first, math.floor(axis.high / step) + 1)]


def curve(points: Points, *, marked: tuple[float, float], labels: tuple[str, str], is_log: tuple[bool, bool]) -> Markup:
    """Return a line through `points` with one of them `marked`; `labels` name the axes (below, beside)."""
    across = ends([*(x for x, _ in points), marked[0]], is_log=is_log[0])
    up = ends([*(y for _, y in points), marked[1]], is_log=is_log[1])
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in _place(points, across, up))
    (at_x, at_y), *_ = _place([marked], across, up)
    inside = f'<polyline class="line" points="{places}"/><circle class="mark" cx="{at_x:.1f}" cy="{at_y:.1f}" r="4.5"/>'
    return _frame(inside, across, up, labels)


def scatter(points: Points, is_fitted: Sequence[bool], *, labels: tuple[str, str], band: float) -> Markup:
    """Return points against the diagonal, with the `band` (0.2 is 20 %) around it shaded; fitted ones are hollow."""
    values = [value for point in points for value in point]
    axis = ends(values, is_log=True)
    low, high = axis.low, axis.high
    edge = [(low, low * (1 + band)), (high, high * (1 + band)), (high, high * (1 - band)), (low, low * (1 - band))]
    polygon = " ".join(f"{x:.1f},{y:.1f}" for x, y in _place(edge, axis, axis))
    dots = "".join(
        f'<circle class="{"hollow" if fitted else "dot"}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        for (x, y), fitted in zip(_place(points, axis, axis), is_fitted, strict=True)
    )
    (x1, y1), (x2, y2) = _place([(low, low), (high, high)], axis, axis)
    line = f'<line class="rule" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
    return _frame(f'<polygon class="band" points="{polygon}"/>{line}{dots}', axis, axis, labels)


def shares(parts: Sequence[tuple[str, float]]) -> Markup:
    """Return one bar cut by the shares of `parts`; the page's key names them in this order."""
    whole = sum(value for _, value in parts) or 1.0
    x, bars = 0.0, []
    for index, (name, value) in enumerate(parts):
        width = 100 * value / whole
        if width > 0.05:
            said = f"<title>{escape(name)} {width:.1f} %</title>"
            bars.append(f'<rect class="s{index}" x="{x:.2f}" width="{width:.2f}" height="10">{said}</rect>')
        x += width
    spoken = ", ".join(f"{name} {100 * value / whole:.0f} %" for name, value in parts if value > 0)
    return Markup(
        f'<svg class="shares" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(spoken)}">{"".join(bars)}</svg>'
    )


def _place(points: Points, across: Axis, up: Axis) -> list[tuple[float, float]]:
    x = LEFT + across.place(np.array([x for x, _ in points])) * (RIGHT - LEFT)
    y = BASE - up.place(np.array([y for _, y in points])) * (BASE - TOP)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _frame(inside: str, across: Axis, up: Axis, labels: tuple[str, str]) -> Markup:
    """Return the picture with its axes; a reader who cannot see it hears the labels."""
    parts = []
    for value in ticks(across):
        (x, _), *_ = _place([(value, up.low)], across, up)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{BASE}"/>')
        parts.append(f'<text x="{x:.1f}" y="{BASE + 16}" text-anchor="middle">{short(value)}</text>')
    for value in ticks(up):
        (_, y), *_ = _place([(across.low, value)], across, up)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>')
    below, beside = (escape(label) for label in labels)
    parts.append(f'<text class="label" x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{below}</text>')
    middle = (TOP + BASE) / 2
    turned = f'text-anchor="middle" transform="rotate(-90 12 {middle})"'
    parts.append(f'<text class="label" x="12" y="{middle}" {turned}>{beside}</text>')
    said = f'role="img" aria-label="{beside} over {below}"'
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" {said}>{"".join(parts)}{inside}</svg>')


def short(value: float) -> str:
    """Return a number for an axis or a tile: 3 digits, k, M or bn."""
    for unit, name in ((1e9, " bn"), (1e6, " M"), (1e4, "k")):
        if abs(value) >= unit:
            scale = 1e3 if name == "k" else unit
            return f"{value / scale:.3g}{name}"
    return number(value)
