"""Films look the same at any size, show what the scene says, and are drawn fast enough to train on."""

import dataclasses
import time

import numpy as np
import pytest
from PIL import Image

from rushes.errors import InputError
from rushes.world import vocabulary as v
from rushes.world.render import render, subject_mask
from rushes.world.scene import Scene, SceneFilters, Subject, sample

BALL = Subject(kind="ball", colour="red", size="large", motion="drift", direction="right")
SCENE = Scene(place="hills", camera="pan_right", subjects=(BALL,), variant=3, seed=11)


def small(scene, times_s=(0.0, 1.5, 3.0), height=90, width=160):
    return render(scene, height=height, width=width, times_s=times_s)


def test_frames_are_uint8_rgb_and_repeatable():
    frames = small(SCENE)
    assert frames.shape == (3, 90, 160, 3) and frames.dtype == np.uint8
    assert np.array_equal(frames, small(SCENE))
    assert np.array_equal(frames[1:2], small(SCENE, (1.5,)))
    assert small(SCENE, ()).shape == (0, 90, 160, 3)


def test_illegal_sizes_name_the_nearest():
    with pytest.raises(InputError, match="16"):
        small(SCENE, height=4)


@pytest.mark.parametrize("camera", ["still", "pan_left", "zoom_in"])
def test_another_size_looks_the_same(camera):
    scene = dataclasses.replace(SCENE, camera=camera, place="beach", time="sunset")
    large = small(scene, (0.4,), 360, 640)[0]
    shrunk = np.asarray(Image.fromarray(large).resize((160, 90), Image.Resampling.BOX)).astype(float)
    assert np.abs(shrunk - small(scene, (0.4,))[0]).mean() < 3.0


@pytest.mark.parametrize(("height", "width"), [(768, 320), (320, 768), (512, 512)])
def test_flipbook_buckets_are_filled(height, width):
    for camera in ("tilt_up", "zoom_out"):
        scene = dataclasses.replace(SCENE, camera=camera)
        frames = render(scene, height=height // 4, width=width // 4, times_s=(0.0, 3.0))
        assert frames.min(axis=(2, 3)).max(axis=1).min() > 0, "a row is black"


def test_every_place_time_and_weather_is_drawn_and_differs():
    seen = {}
    for place in v.PLACES:
        kind = v.kinds_at(place)[0]
        for time_ in ("night",) if place == "space" else v.TIMES:
            for weather in ("clear",) if place in v.CALM_PLACES else v.WEATHERS:
                scene = Scene(place=place, time=time_, weather=weather, subjects=(Subject(kind=kind, colour="red"),))
                seen[place, time_, weather] = small(scene, (1.0,), 45, 80)[0].astype(float)
    keys = list(seen)
    flat = np.stack([seen[key].ravel() for key in keys])
    for i, key in enumerate(keys):
        gaps = np.abs(flat - flat[i]).mean(axis=1)
        gaps[i] = np.inf
        assert gaps.min() > 1.0, (key, keys[gaps.argmin()])


def test_subject_shows_its_colour_where_the_mask_says():
    still = dataclasses.replace(SCENE, camera="still")
    mask = subject_mask(still, rows=90, cols=160, height=90, width=160, times_s=(0.0, 3.0))
    frames = small(still, (0.0, 3.0)).astype(int)
    for frame, covered in zip(frames, mask, strict=True):
        red = (frame[..., 0] - frame[..., 1] > 90) & (frame[..., 0] - frame[..., 2] > 90)
        assert red.sum() > 200
        assert (covered[red] > 0).mean() > 0.98


def test_masks_are_shares_of_cells():
    times_s = np.linspace(0, 3, 5)
    coarse = subject_mask(SCENE, rows=9, cols=16, height=144, width=256, times_s=times_s)
    fine = subject_mask(SCENE, rows=144, cols=256, height=144, width=256, times_s=times_s)
    assert coarse.shape == (5, 9, 16) and coarse.dtype == np.float32
    assert coarse.min() >= 0 and coarse.max() <= 1
    pooled = fine.reshape(5, 9, 16, 16, 16).mean(axis=(2, 4))
    assert np.abs(pooled - coarse).max() < 1e-3
    side = v.SIZES["large"]
    assert coarse[2].sum() * (1 / 9) ** 2 == pytest.approx(side * side, rel=0.01)


def test_near_layers_move_more_than_the_sky_when_the_camera_pans():
    scene = dataclasses.replace(SCENE, style="flat", place="farm", subjects=(Subject(kind="cat", colour="black"),))
    first, last = small(scene, (0.0, 0.8)).astype(int)
    changed = np.abs(first - last).sum(axis=2)
    assert changed[:12].mean() < 0.4 * changed[50:].mean()


def test_paper_has_shadows_and_grain_that_flat_lacks():
    paper, flat = (small(dataclasses.replace(SCENE, style=style), (1.0,))[0].astype(int) for style in ("paper", "flat"))
    assert (flat - paper).max() > 25
    assert 0.5 < (flat - paper).mean() < 12
    assert (paper - flat).max() < 12


@pytest.mark.parametrize("style", v.STYLES)
def test_styles_are_drawn_and_differ_from_flat(style):
    frames = small(dataclasses.replace(SCENE, style=style), (0.0, 1.0))
    assert frames.shape == (2, 90, 160, 3)
    assert frames.std() > 10
    if style != "flat":
        assert not np.array_equal(frames, small(dataclasses.replace(SCENE, style="flat"), (0.0, 1.0)))


def test_leaving_subjects_are_gone_at_the_end():
    gone = dataclasses.replace(BALL, motion="leave")
    scene = dataclasses.replace(SCENE, camera="still", subjects=(gone,), style="flat")
    empty = dataclasses.replace(scene, subjects=(dataclasses.replace(gone, kind="snail", colour="green"),))
    assert np.array_equal(small(scene, (3.0,)), small(empty, (3.0,)))
    assert not np.array_equal(small(scene, (0.0,)), small(empty, (0.0,)))


def test_drawing_is_fast_enough_to_train_on():
    rng = np.random.default_rng(0)
    scenes = [sample(rng, filters=SceneFilters(durations_s=(3.0,))) for _ in range(12)]
    start_s = time.process_time()
    for scene in scenes:
        render(scene, height=144, width=256, times_s=np.arange(24) / 8)
    assert 12 * 24 / (time.process_time() - start_s) > 100, "frames per second of CPU time; about 500 are usual"
