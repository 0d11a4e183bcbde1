"""The sea: a wide horizon, rows of paper waves that sway against each other, a small island far away."""

from __future__ import annotations

from rushes.world.light import Light
from rushes.world.places.layer import Layer
from rushes.world.places.shapes import cut, layout, rect, ridge, waves
from rushes.world.places.sky import glitter, sky

HORIZON = 0.02
BASELINE: dict[str, float | tuple[float, float]] = {"water": 0.275, "air": (-0.38, -0.02)}


def layers(variant: int, light: Light, spread: float = 1.0) -> list[Layer]:
    """Return the sheets of the sea, farthest first."""
    rng = layout("sea", variant)
    result = sky(light, rng, horizon=HORIZON)
    side = 1 if variant % 2 else -1
    x, width, height = (
        spread * side * (0.42 + 0.05 * (variant // 2)),
        0.18 + 0.03 * (variant // 2),
        0.07 + 0.025 * (variant % 3),
    )
    island = ridge(
        [
            (x - 1.2 * width, HORIZON + 0.01),
            (x - 0.5 * width, HORIZON - 0.5 * height),
            (x - 0.05 * width, HORIZON - height),
            (x + 0.5 * width, HORIZON - 0.6 * height),
            (x + 1.2 * width, HORIZON + 0.01),
        ],
        bottom=HORIZON + 0.02,
    )
    result.append(Layer(depth=0.15, draw=cut((island, light.shade((96, 140, 128), 0.35))), shadow=False))
    tones = ((120, 190, 206), (78, 160, 192), (48, 128, 174), (30, 98, 150), (22, 74, 124))
    rows = ((HORIZON, 0.0, 0.2), (0.085, 0.012, 0.45), (0.165, 0.02, 0.7), (0.245, 0.028, 1.0), (0.36, 0.036, 1.2))
    for index, ((y, height, depth), rgb) in enumerate(zip(rows, tones, strict=True)):
        shift = rng.uniform(0, 1)
        path = waves(y, height, 8 * height, shift) if height else rect(-2.5, y, 2.5, 1.4)
        shapes = [(path, light.water(rgb, depth))]
        if index == 0:
            shapes += glitter(light, top=HORIZON, bottom=0.09)
        if index == 4:
            # More rows below for tall frames.
            dark = ((18, 62, 108), (15, 52, 94), (12, 44, 82))
            deeper = zip((0.52, 0.70, 0.90), (rng.uniform(0, 1) for _ in range(3)), dark, strict=True)
            shapes += [(waves(low, 0.045, 0.36, shift), light.water(tone, depth)) for low, shift, tone in deeper]
        result.append(
            Layer(
                depth=depth,
                draw=cut(*shapes),
                sway_amplitude=0.6 * height,
                sway_period_s=4.0,
                sway_phase=0.5 * (index % 2),
                shadow=index > 0,
                in_front=index >= 3,
            )
        )
    return result
