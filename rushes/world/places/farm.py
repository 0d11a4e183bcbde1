"""The farm: striped fields that run to the hills, a barn with a silo at one side, a white fence."""

from __future__ import annotations

import skia

from rushes.world.light import Light
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import circle, cut, foreground, layout, polygon, rect, rolling
from rushes.world.places.sky import sky

HORIZON = 0.04
BASELINE: dict[str, float | tuple[float, float]] = {"land": 0.32, "air": (-0.36, -0.04)}


def _barn(light: Light, x: float, side: int) -> list[tuple[skia.Path, int]]:
    """Return the barn with its broken roof, white door and a silo on the outer side."""
    red, roof, white = (
        light.shade((178, 72, 62), 0.8),
        light.shade((112, 82, 84), 0.8),
        light.shade((248, 242, 230), 0.9),
    )
    y, half = 0.21, 0.155
    silo = x + side * 0.235
    pieces = [
        (rect(silo - 0.06, -0.14, silo + 0.06, y), light.shade((188, 192, 200), 0.8)),
        (circle(silo, -0.14, 0.06), light.shade((140, 146, 164), 0.8)),
        (rect(x - half, 0.0, x + half, y), red),
        (polygon([(x - half, 0.0), (x - 0.105, -0.10), (x, -0.15), (x + 0.105, -0.10), (x + half, 0.0)]), red),
    ]
    outer = [(x - half - 0.03, 0.005), (x - 0.12, -0.115), (x, -0.175), (x + 0.12, -0.115), (x + half + 0.03, 0.005)]
    inner = [(x + half - 0.01, 0.005), (x + 0.10, -0.085), (x, -0.135), (x - 0.10, -0.085), (x - half + 0.01, 0.005)]
    pieces.append((polygon(outer + inner), roof))
    pieces.append((rect(x - 0.065, 0.07, x + 0.065, y), white))
    pieces.append((polygon([(x - 0.045, 0.09), (x + 0.045, 0.09), (x, 0.14)]), red))
    pieces.append((polygon([(x - 0.045, y), (x + 0.045, y), (x, 0.15)]), red))
    pieces.append((circle(x, -0.045, 0.035), light.lamp((248, 242, 230), 0.9)))
    return pieces


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the farm, farthest first."""
    rng = layout("farm", variant)
    result = sky(light, rng, horizon=HORIZON)
    side = 1 if variant % 2 else -1
    step = variant // 2
    shift = side * (0.4 + 0.12 * step)
    result.append(Layer(depth=0.3, draw=cut((rolling(0.04, 0.08, 1.7, -shift), light.shade((150, 186, 140), 0.35)))))
    # Field stripes run from one far point to the bottom of the sheet, clipped by the land's own edge.
    land = rolling(0.115, 0.03, 2.6, shift)
    base, stripe = light.shade((236, 200, 104), 0.7), light.shade((216, 172, 78), 0.7)
    focus = -shift * 0.5
    furrows = [polygon([(focus, 0.02), (focus + 0.62 * k, 1.0), (focus + 0.62 * k + 0.31, 1.0)]) for k in range(-9, 9)]

    def field(canvas: skia.Canvas) -> None:
        cut((land, base))(canvas)
        canvas.save()
        canvas.clipPath(land, doAntiAlias=True)
        cut(*((furrow, stripe) for furrow in furrows))(canvas)
        canvas.restore()

    result.append(Layer(depth=0.6, draw=field))
    x = spread * side * (0.54 - 0.03 * step)
    meadow = (rolling(0.225, 0.03, 2.2, x), light.shade((124, 172, 92), 0.9))
    tree = -spread * side * (0.66 + 0.03 * step)
    trees = [
        (rect(tree - 0.014, 0.05, tree + 0.014, 0.24), light.shade((120, 88, 66), 0.8)),
        (circle(tree, 0.04, 0.095), light.shade((84, 146, 84), 0.8)),
    ]
    result.append(Layer(depth=0.8, draw=cut(*_barn(light, x, side), *trees, meadow)))
    white = light.shade((250, 246, 236))
    posts = [(rect(-2.4 + 0.17 * k, 0.195, -2.4 + 0.17 * k + 0.028, 0.30), white) for k in range(29)]
    rails = [(rect(-2.5, y, 2.5, y + 0.022), white) for y in (0.215, 0.255)]
    ground = (rolling(0.285, 0.02, 2.4, shift), light.shade((104, 154, 78)))
    result.append(Layer(depth=1.0, draw=cut(*posts, *rails, ground)))
    result.append(foreground(light, ((82, 130, 66), (70, 116, 58), (60, 102, 52)), -shift))
    return result
