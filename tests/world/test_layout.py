"""Tests that layouts say where the world draws its subjects."""

import numpy as np
import pytest

from rushes import layouts
from rushes.world.layout import layout
from rushes.world.render import subject_mask
from rushes.world.scene import Scene, SceneFilters, Subject, sample


def test_boxes_lie_where_the_world_s_own_masks_do() -> None:
    rng = np.random.default_rng(3)
    filters = SceneFilters(num_subjects_weights=(1.0, 0.0), still_camera=0.3)
    num = 0
    for _ in range(20):
        scene = sample(rng, filters=filters)
        times = layouts.times(scene.duration_s)[::3]
        masks = subject_mask(scene, rows=90, cols=160, height=90, width=160, times_s=times)
        for row, mask in zip(layout(scene, times), masks, strict=True):
            subject = row[layouts.columns(0)]
            if mask[1:-1, 1:-1].sum() < mask.sum() or mask.sum() < 20:
                continue  # partly outside: a mask's middle is then not its subject's
            down, across = (np.average(np.arange(n) + 0.5, weights=mask.sum(1 - i)) for i, n in enumerate(mask.shape))
            assert subject[layouts.X] == pytest.approx((across - 80) / 90, abs=0.01)
            assert subject[layouts.Y] == pytest.approx((down - 45) / 90, abs=0.01)
            num += 1
    assert num > 30


def test_the_camera_s_speed_is_that_of_what_it_leaves_behind() -> None:
    scene = Scene(place="sea", camera="pan_right", subjects=(Subject(kind="sailboat", colour="red"),))
    rows = layout(scene, [1.0, 2.0])
    moved = rows[1, layouts.CAMERA + layouts.X] - rows[0, layouts.CAMERA + layouts.X]
    assert moved == pytest.approx(-rows[0, 0], abs=0.005) and rows[0, 0] > 0.05
    zoomed = layout(Scene(place="sea", camera="zoom_in", subjects=scene.subjects), [1.0, 2.0])
    sides = zoomed[:, layouts.CAMERA + layouts.SIDE]
    assert sides[1] - sides[0] == pytest.approx(zoomed[0, 2], abs=0.01) and zoomed[0, 2] > 0


def test_one_subject_leaves_the_other_s_columns_empty_and_facing_is_the_way_it_goes() -> None:
    boat = Subject(kind="sailboat", colour="red", motion="drift", direction="left")
    rows = layout(Scene(place="sea", subjects=(boat,)), layouts.times(3.0))
    assert not rows[:, layouts.columns(1)].any()
    first = rows[:, layouts.columns(0)]
    assert (first[:, layouts.FACING] == -1).all() and (np.diff(first[:, layouts.X]) < 0).all()
