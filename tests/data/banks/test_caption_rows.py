"""Tests of the captioner's rows: films of every style, and boxes that lie on their subjects."""

from dataclasses import replace

import numpy as np

from rushes.data.banks.caption_rows import EVERYTHING, CaptionRows, DetailRows, boxes
from rushes.models.captioner import reading_times
from rushes.world import vocabulary as v
from rushes.world.render import subject_mask
from rushes.world.scene import Scene, SceneFilters, Subject, from_dict, split_of

CAR = Subject(kind="car", colour="red", motion="drift", direction="right")
DOG = Subject(kind="dog", colour="blue", motion="drift", direction="left")


def scene(**changes: object) -> Scene:
    values = {"place": "desert", "subjects": (CAR, DOG), "relation": "passes", "duration_s": 4.0}
    return Scene(**(values | changes))  # type: ignore[arg-type]


def test_an_index_gives_one_row() -> None:
    rows = CaptionRows(height=36, width=64)
    first, again = rows(2), rows(2)
    assert first[0]["frames"].shape == (10, 36, 64, 3) and first[0]["boxes"].shape == (10, 2, 4)
    assert all(np.array_equal(first[0][name], again[0][name]) for name in first[0]) and first[1] == again[1]


def test_training_shows_no_held_out_pair() -> None:
    assert all(split_of(from_dict(CaptionRows(height=18, width=32)(i)[1]["scene"])) == "train" for i in range(6))
    held_out = CaptionRows(height=18, width=32, held_out_share=1.0)
    assert all(split_of(from_dict(held_out(i)[1]["scene"])) == "test" for i in range(3))


def test_pixels_show_in_the_detail_alone() -> None:
    pixels = SceneFilters(styles=("pixel",), durations_s=(2.0,))
    flat = [CaptionRows(filters=replace(pixels, styles=(style,))).scene(3) for style in ("pixel", "flat")]
    assert replace(flat[0], style="flat") == flat[1]
    rows = [CaptionRows(filters=replace(pixels, styles=(style,)))(3)[0] for style in ("pixel", "flat")]
    details = [DetailRows(filters=replace(pixels, styles=(style,)))(3)[0]["detail"] for style in ("pixel", "flat")]
    assert np.array_equal(rows[0]["frames"], rows[1]["frames"]) and not np.array_equal(*details)
    assert details[0].shape == (90, 160, 3)


def test_the_whole_world_is_drawn_from() -> None:
    assert EVERYTHING.styles == v.STYLES and min(EVERYTHING.num_subjects_weights) > 0


def test_boxes_follow_their_own_subject() -> None:
    times = [float(t) for t in reading_times(4.0)]
    found = boxes(scene(), times, 90, 160)
    car, dog = found[:, 0, 1], found[:, 1, 1]
    assert (np.diff(car) > 0).all() and (np.diff(dog) < 0).all() and car[0] < dog[0] and car[-1] > dog[-1]
    assert np.allclose(2 * found[5, :, 2], v.SIZES["medium"], atol=0.03) and (found[:, :, 3] == 1).all()


def test_one_subject_has_one_box() -> None:
    found = boxes(scene(subjects=(CAR,), relation="none"), [1.0, 2.0], 90, 160)
    assert found[:, 0, 3].all() and not found[:, 1].any()


def test_who_is_out_of_the_frame_is_not_in_sight() -> None:
    leaver = Subject(kind="car", colour="red", motion="leave", direction="right")
    found = boxes(scene(subjects=(leaver,), relation="none"), [0.1, 3.99], 90, 160)
    assert found[:, 0, 3].tolist() == [1, 0]


def test_masks_of_single_subjects_make_up_the_whole() -> None:
    size = {"rows": 9, "cols": 16, "height": 90, "width": 160, "times_s": [0.5, 2.0]}
    one, other = (subject_mask(scene(), **size, only=i) for i in range(2))  # type: ignore[arg-type]
    assert np.allclose(1 - (1 - one) * (1 - other), subject_mask(scene(), **size), atol=1e-5)  # type: ignore[arg-type]
