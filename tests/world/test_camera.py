"""The camera moves as its name says, and far layers answer less than near ones."""

import numpy as np
import pytest

from rushes.world.camera import MAX_SHAKE, View, view
from rushes.world.scene import Scene, Subject


def film(camera, duration_s=3.0):
    subject = Subject(kind="car", colour="red")
    return Scene(place="hills", camera=camera, subjects=(subject,), duration_s=duration_s)


def ends(camera, duration_s=3.0):
    scene = film(camera, duration_s)
    return view(scene, 0.0), view(scene, duration_s)


def test_still_never_moves():
    assert ends("still") == (View(), View())


@pytest.mark.parametrize(
    ("camera", "field", "sign"),
    [("pan_left", "x", -1), ("pan_right", "x", 1), ("tilt_up", "y", -1), ("tilt_down", "y", 1),
     ("zoom_in", "zoom", 1), ("zoom_out", "zoom", -1)],
)  # fmt: skip
def test_cameras_go_their_way_about_the_middle(camera, field, sign):
    first, last = ends(camera)
    assert sign * (getattr(last, field) - getattr(first, field)) > 0.25
    middle = view(film(camera), 1.5)
    assert middle == View()


@pytest.mark.parametrize("camera", ["pan_left", "tilt_down", "zoom_in"])
def test_long_films_do_not_leave_the_subject_behind(camera):
    first, last = ends(camera, 30.0)
    assert abs(last.x - first.x) <= 0.6 + 1e-9
    assert abs(last.y - first.y) <= 0.3 + 1e-9
    assert last.zoom / first.zoom <= 1.7


def test_shake_is_small_and_never_rests():
    scene = film("shake")
    seen = [view(scene, t) for t in np.linspace(0, 3, 100)]
    x = np.array([v.x for v in seen])
    assert np.abs(x).max() <= MAX_SHAKE
    assert (np.diff(np.sign(np.diff(x))) != 0).sum() >= 8


def test_parallax_grows_with_nearness():
    panned = View(x=0.2)
    moved = [panned.place(0.0, 0.0, depth)[0] for depth in (0.0, 0.5, 1.0, 1.3)]
    assert moved == pytest.approx([0.0, -0.1, -0.2, -0.26])
    closer = View(zoom=1.5)
    assert [closer.place(0.1, 0.0, depth)[2] for depth in (0.0, 1.0)] == pytest.approx([1.0, 1.5])
    assert closer.place(0.1, 0.2) == pytest.approx((0.15, 0.3, 1.5))
