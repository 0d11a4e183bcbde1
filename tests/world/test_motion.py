"""Each motion goes where its name says, smoothly, and stays in sight."""

import numpy as np
import pytest

from rushes.world import vocabulary as v
from rushes.world.motion import HALF_WIDTH, state
from rushes.world.scene import MOTION_DIRECTIONS, Scene, SceneFilters, Subject, relation_moves, sample


def film(motion, direction=None, *, kind="balloon", place="hills", **changes):
    duration_s = changes.pop("duration_s", 3.0)
    direction = direction or MOTION_DIRECTIONS[motion][-1]
    subject = Subject(kind=kind, colour="red", motion=motion, direction=direction, **changes)
    return Scene(place=place, subjects=(subject,), duration_s=duration_s, seed=7)


def track(scene, index=0, num=181):
    return [state(scene, index, t) for t in np.linspace(0, scene.duration_s, num)]


def pair(relation):
    first, second = relation_moves(relation, "right")
    cat = Subject(kind="cat", colour="red", motion=first[0], direction=first[1])
    dog = Subject(kind="dog", colour="blue", motion=second[0], direction=second[1])
    scene = Scene(place="farm", subjects=(cat, dog), relation=relation, seed=7)
    return [np.array([at.x for at in track(scene, index)]) for index in (0, 1)]


@pytest.mark.parametrize("motion", ["drift", "weave", "enter", "leave", "stop", "hop"])
def test_left_and_right_are_mirrored(motion):
    left, right = (np.array([at.x for at in track(film(motion, way))]) for way in ("left", "right"))
    assert (np.diff(left) <= 1e-9).all()
    assert np.ptp(left) == pytest.approx(np.ptp(right), abs=0.2)
    assert right[-1] - right[0] > 0.2
    assert (np.diff(right) >= -1e-9).all()
    assert track(film(motion, "left"))[0].flipped
    assert not track(film(motion, "right"))[0].flipped


def test_rise_goes_up_and_fall_goes_down_faster_and_faster():
    rise = np.array([at.y for at in track(film("rise"))])
    fall = np.array([at.y for at in track(film("fall"))])
    assert (np.diff(rise) < 0).all()
    assert fall[-1] - fall[0] > 0.4
    early, late = fall[30] - fall[0], fall[90] - fall[60]
    assert late > 2 * early
    assert np.ptp(fall[-10:]) < 1e-9


def test_bounce_and_hop_are_parabolas_that_touch_the_ground():
    for motion in ("bounce", "hop"):
        scene = film(motion, kind="ball")
        y = np.array([at.y for at in track(scene, num=2001)])
        rest = state(film("rest", kind="ball"), 0, 0.0).y
        assert y.max() == pytest.approx(rest, abs=1e-3)
        assert y.max() - y.min() > 0.1
        pull = np.diff(y, 2)
        flying = pull[(y[1:-1] < rest - 0.03)]
        assert np.ptp(flying) < 1e-6
        assert flying.min() > 0


def test_what_turns_turns_and_what_grows_grows():
    assert track(film("spin"))[-1].rotation > 300
    for motion, sign in (("grow", 1), ("shrink", -1)):
        scales = np.array([at.scale for at in track(film(motion))])
        assert (sign * np.diff(scales) >= 0).all()
        assert scales.max() / scales.min() > 2.5
    swing = np.array([at.x for at in track(film("swing"))])
    assert swing.max() - swing.min() > 0.4
    assert (np.diff(np.sign(np.diff(swing))) != 0).sum() >= 3
    orbit = np.array([(at.x, at.y) for at in track(film("orbit", duration_s=6.0))])
    assert np.ptp(orbit[:, 0]) > 0.4 and np.ptp(orbit[:, 1]) > 0.25


def test_what_grows_on_the_ground_keeps_its_foot_there():
    feet = [at.y + v.SIZES["medium"] / 2 * at.scale for at in track(film("grow", kind="tree"))]
    assert np.ptp(feet) < 1e-9


@pytest.mark.parametrize("half_width", [0.43, HALF_WIDTH, 1.03])
def test_enter_and_leave_cross_the_edge_of_any_frame(half_width):
    for motion, when in (("enter", 0.0), ("leave", 3.0)):
        for size, side in v.SIZES.items():
            scene = film(motion, size=size)
            assert abs(state(scene, 0, when, half_width).x) - side / 2 >= half_width
            assert abs(state(scene, 0, 3.0 - when, half_width).x) < 0.15


def test_rest_stands_still_and_wheels_turn_only_on_the_way():
    assert len({(at.x, at.y, at.phase_s) for at in track(film("rest", kind="car"))}) == 1
    drive = [at.phase_s for at in track(film("drift", "left", kind="car"))]
    assert (np.diff(drive) > 0).all()
    assert track(film("rest", kind="windmill"))[-1].phase_s == 3.0


def test_speeds_are_those_of_the_vocabulary():
    for speed, units in v.SPEEDS.items():
        at = track(film("drift", "right", speed=speed))
        assert (at[-1].x - at[0].x) / 3.0 == pytest.approx(units)


def test_paths_are_continuous_and_in_sight():
    rng = np.random.default_rng(0)
    for _ in range(150):
        scene = sample(rng, filters=SceneFilters(durations_s=(1.0, 3.0, 10.0)))
        for index, subject in enumerate(scene.subjects):
            at = [(s.x, s.y) for s in track(scene, index, num=400)]
            steps = np.abs(np.diff(at, axis=0)).max() * 400 / scene.duration_s
            assert steps < 6.0, subject
            x, y = np.abs(at).T
            seen = (x < HALF_WIDTH + 0.05) & (y < 0.5)
            assert seen.mean() > (0.5 if subject.motion in ("enter", "leave") else 0.75), (subject, scene.duration_s)


def test_relations():
    cat, dog = pair("chases")
    assert (dog > cat + 0.2).all() and cat[-1] > cat[0]
    cat, dog = pair("left_of")
    assert (dog > cat + 0.3).all() and np.ptp(cat) == 0
    cat, dog = pair("passes")
    assert cat[0] < dog[0] and cat[-1] > dog[-1]
    cat, dog = pair("behind")
    assert 0.1 < abs(cat[0] - dog[0]) < 0.3
    cat, dog = pair("collides")
    gap = dog - cat
    assert gap.argmin() == len(gap) // 2 and gap[0] > gap.min() + 0.3 and gap[-1] > gap.min() + 0.1
