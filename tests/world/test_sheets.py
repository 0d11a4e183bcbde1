"""Layers become cropped sheets with soft shadows, kept within a budget and laid where the camera says."""

import math

import numpy as np
import pytest
import skia

from rushes.errors import InputError
from rushes.world import sheets
from rushes.world.camera import View
from rushes.world.places import Layer
from rushes.world.sheets import Frame, Kept, Sheet

FRAME = Frame(height=90, width=160)
RED = skia.Paint(Color=skia.ColorRED)


def below(y):
    return lambda canvas: canvas.drawRect(skia.Rect.MakeLTRB(-3, y, 3, 3), RED)


def disc(canvas):
    canvas.drawCircle(0, 0, 0.2, RED)


STILL = (View(), View())


def cut(layers, views=STILL, **options):
    return sheets.cut(layers, FRAME, (0.0, 3.0), views, has_shadows=options.get("has_shadows", False))


def laid(sheet, at, frame=FRAME):
    pixels = np.zeros((frame.height, frame.width, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType).getCanvas()
    sheets.lay(canvas, sheet, frame, at, frame.height)
    return pixels


@pytest.mark.parametrize(("height", "width", "nearest"), [(8, 100, "16"), (100, 5000, "4096"), (100, 301, "300")])
def test_illegal_frames_name_the_nearest(height, width, nearest):
    with pytest.raises(InputError, match=nearest):
        Frame(height=height, width=width)


def test_units():
    assert Frame(height=720, width=1280).unit_px == pytest.approx(720)
    assert Frame(height=720, width=1280).reach == pytest.approx((8 / 9, 0.5))
    assert Frame(height=512, width=512).reach == pytest.approx((2 / 3, 2 / 3))


def test_sheets_are_cropped_and_know_where_they_are_solid():
    sheet = cut([Layer(depth=1.0, draw=below(0.1), shadow=False, drift=(0.01, 0.0))])[0]
    assert sheet.solid_top == pytest.approx(0.1, abs=0.02)
    assert sheet.top == pytest.approx(0.1, abs=0.02)
    around = cut([Layer(depth=1.0, draw=disc, shadow=False)])[0]
    assert around.image.width() == pytest.approx(0.4 * 90, abs=2)
    assert math.isinf(around.solid_top)


def test_layers_that_move_together_share_a_sheet():
    far = Layer(depth=0.0, draw=lambda canvas: canvas.clear(skia.ColorBLUE), shadow=False)
    near = [Layer(depth=depth, draw=below(0.1), shadow=False) for depth in (0.5, 1.0)]
    cloud = Layer(depth=0.2, draw=disc, drift=(0.1, 0.0))
    assert len(cut([far, *near])) == 1
    assert cut([far, *near])[0].pixels.shape == (90, 160, 4)
    assert len(cut([far, cloud, *near])) == 3
    assert len(cut([far, *near], views=(View(), View(x=0.3)))) == 3


def test_sheets_reach_as_far_as_the_camera_looks():
    ground = Layer(depth=1.0, draw=below(-9.0), shadow=False)
    views = (View(x=-0.3), View(x=0.3))
    sheet = cut([ground], views=views)[0]
    for seen in views:
        assert laid(sheet, sheet.place(seen, 0.0))[..., 3].min() == 255


def test_laying_is_exact_for_whole_pixels_and_smooth_between():
    sheet = cut([Layer(depth=1.0, draw=disc, shadow=False)])[0]
    still = laid(sheet, sheet.place(View(), 0.0))
    assert still[45, 80, 3] == 255 and still[45, 40, 3] == 0
    moved = laid(sheet, sheet.place(View(x=-10 / 90), 0.0))
    assert np.array_equal(moved[:, 10:], still[:, :-10])
    half = laid(sheet, sheet.place(View(x=-0.5 / 90), 0.0)).astype(int)
    assert 0 < np.abs(half - still).max() < 255


def test_shadow_is_soft_dark_and_lies_below_right():
    pixels = np.full((90, 160, 4), 255, np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType).getCanvas()
    canvas.scale(90, 90)
    canvas.translate(8 / 9, 0.5)
    sheets.draw_shadow(canvas, disc, (-8 / 9, -0.5, 8 / 9, 0.5), 90.0, 0.3)
    dark = 255 - pixels[..., 1].astype(float)
    rows, cols = np.indices(dark.shape)
    assert (rows * dark).sum() / dark.sum() > 45.2
    assert (cols * dark).sum() / dark.sum() > 79.8
    assert dark.max() == pytest.approx(0.3 * (255 - sheets.SHADOW_INK[1]), abs=4)
    assert len(np.unique(dark)) > 6


def test_kept_sheets_stay_within_their_budget():
    layer = Layer(depth=0.0, draw=disc)

    def whole():
        pixels = np.zeros((10, 10, 4), np.uint8)
        return [Sheet(image=None, left=0.0, top=0.0, unit_px=90.0, solid_top=0.0, layer=layer, pixels=pixels)]

    kept = Kept(max_bytes=1000)
    for key in range(3):
        kept.put((key,), whole())
    assert kept.num_bytes == 800
    assert kept.get((0,)) is None
    assert kept.get((1,)) is not None
    kept.put((3,), whole())
    assert kept.get((2,)) is None and kept.get((1,)) is not None
