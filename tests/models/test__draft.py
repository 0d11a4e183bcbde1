"""Tests that a draft lies where the layout says, as the paper world lays it, and that a model can take it as it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rushes import layouts
from rushes.models._draft import Stage, Staging, Tracing, draft, field, frames, laid, pixels, seen, way
from rushes.models.autoencoder import AutoencoderConfig, PatchTransform
from rushes.world.backdrop import backdrop
from rushes.world.cutout import cutout
from rushes.world.layout import layout
from rushes.world.render import render
from rushes.world.scene import Scene, Subject

WHOLE = (torch.zeros(1), torch.zeros(1))


def sheets(scene: Scene) -> torch.Tensor:
    cutouts = torch.zeros(1, 2, 4, layouts.CUTOUT_PX, layouts.CUTOUT_PX)
    for index, subject in enumerate(scene.subjects):
        cutouts[0, index] = torch.from_numpy(cutout(subject.kind, subject.colour)).permute(2, 0, 1) / 255
    return cutouts


@pytest.mark.parametrize("direction", ["left", "right"])
def test_a_draft_lies_where_the_world_lays_its_subject(direction: str) -> None:
    subject = Subject(kind="balloon", colour="red", size="large", motion="drift", direction=direction)
    scene = Scene(place="hills", style="flat", camera="zoom_in", subjects=(subject,))
    rows = torch.from_numpy(layout(scene, layouts.times(3)))[None]
    colours, alpha = laid(rows, sheets(scene), pixels(9, 16, 16, WHOLE, (9, 16)))
    true = render(scene, height=144, width=256, times_s=[0.0, 1.5, 2.875])
    for number, frame in enumerate((0, 12, 23)):
        covered = (alpha[0, 0, frame] > 0.98).numpy()
        shown = ((colours + alpha)[0, :, frame].permute(1, 2, 0).numpy() / 2 * 255)[covered]
        assert covered.sum() > 600
        assert np.abs(shown - true[number][covered]).mean() < 6


def test_the_second_subject_lies_nearer() -> None:
    rows = torch.zeros(1, 4, layouts.COLUMNS)
    for index in range(2):
        rows[:, :, layouts.columns(index)] = torch.tensor([0, 0, 0, 0, 1.0, 1.0, 1.0])
    cutouts = torch.ones(1, 2, 4, layouts.CUTOUT_PX, layouts.CUTOUT_PX)
    cutouts[:, 0, :3], cutouts[:, 1, :3] = 0.25, 0.75
    colours, alpha = laid(rows, cutouts, pixels(9, 16, 4, WHOLE, (9, 16)))
    assert float(alpha[0, 0, 0, 18, 32]) == 1 and float(colours[0, 0, 0, 18, 32]) == pytest.approx(2 * 0.75 - 1)
    rows[:, :, layouts.columns(1)] = 0
    colours, _ = laid(rows, cutouts, pixels(9, 16, 4, WHOLE, (9, 16)))
    assert float(colours[0, 0, 0, 18, 32]) == pytest.approx(2 * 0.25 - 1)
    assert not laid(rows * 0, cutouts, pixels(9, 16, 4, WHOLE, (9, 16)))[1].any()


def test_a_window_shows_its_part_of_the_frame() -> None:
    torch.manual_seed(0)
    rows = torch.zeros(2, 4, layouts.COLUMNS)
    rows[:, :, layouts.columns(0)] = torch.tensor([0.1, -0.05, 0.3, 0.5, 0.8, -1.0, 1.0])
    cutouts = torch.rand(2, 2, 4, layouts.CUTOUT_PX, layouts.CUTOUT_PX)
    whole, _ = laid(rows, cutouts, pixels(9, 16, 4, (torch.zeros(2), torch.zeros(2)), (9, 16)))
    corner = (torch.tensor([2, 1]), torch.tensor([5, 6]))
    part, _ = laid(rows, cutouts, pixels(9, 16, 4, corner, (4, 6)))
    for film, (top, left) in enumerate(((2, 5), (1, 6))):
        cut = whole[film, :, :, 4 * top : 4 * top + 16, 4 * left : 4 * left + 24]
        torch.testing.assert_close(part[film], cut, atol=1e-4, rtol=1e-4)


def test_frames_lie_on_straight_lines() -> None:
    rows = torch.zeros(1, 4, layouts.COLUMNS)
    rows[0, :, layouts.CAMERA] = torch.from_numpy(layouts.times(1)).float()
    rows[0, :, layouts.columns(0)][:, layouts.FACING] = torch.tensor([1.0, 1.0, 1.0, -1.0])
    found = frames(rows)[0]
    torch.testing.assert_close(found[:, layouts.CAMERA], torch.arange(8) / 8)
    assert set(found[:, layouts.columns(0)][:, layouts.FACING].tolist()) == {1.0, -1.0}


def test_the_latents_of_a_draft_add_up() -> None:
    """A film with a subject on it is the film with a hole and the draft: exactly, since the encoder is linear."""
    torch.manual_seed(0)
    transform = PatchTransform(AutoencoderConfig(channels=6, cell=4))
    transform.basis.normal_(std=0.1)
    transform.mean.normal_()
    rows = torch.zeros(1, 4, layouts.COLUMNS)
    rows[:, :, layouts.columns(0)] = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    cutouts = torch.rand(1, 2, 4, layouts.CUTOUT_PX, layouts.CUTOUT_PX) * 0.9
    places = pixels(9, 16, 4, WHOLE, (9, 16))
    colours, alpha = laid(rows, cutouts, places)
    behind = torch.rand(1, 3, 8, 36, 64) * 2 - 1
    shown = transform.encode(behind * (1 - alpha) + colours)
    said, none = draft(rows, cutouts, places, transform)
    assert none is None
    torch.testing.assert_close(shown, transform.encode(behind * (1 - alpha)) + said[:, :6], atol=1e-4, rtol=1e-4)
    grey = transform.encode(behind + alpha) - transform.encode(behind)
    torch.testing.assert_close(grey, said[:, 6:], atol=1e-4, rtol=1e-4)


def test_a_fresh_model_takes_the_colours_as_they_are() -> None:
    tracing = Tracing(width=8, patch=12)
    said = torch.randn(2, 12, 4, 3, 5)
    tokens = tracing.tokens(said, frames=2)
    assert tokens.shape == (2, 2 * 15, 24)
    own = torch.randn(2, 30, 12)
    taken = tracing(torch.randn(2, 30, 8), own, tokens)
    back = (taken - own).view(2, 2, 15, 2, 6).permute(0, 4, 1, 3, 2).reshape(2, 6, 4, 3, 5)
    torch.testing.assert_close(back, said[:, :6])
    assert not tracing.into(tokens).any()


def staged(scene: Scene, seconds: int = 3) -> Stage:
    whole = torch.from_numpy(backdrop(scene.place, scene.variant, scene.time, scene.weather))[None]
    speed = torch.from_numpy(layouts.steady(layout(scene, layouts.times(seconds)), seconds))[None]
    return Stage(whole.permute(0, 3, 1, 2) / 255, way(speed, torch.tensor([-seconds / 2]), 8 * seconds))


@pytest.mark.parametrize("camera", ["still", "pan_left", "tilt_up", "zoom_in", "zoom_out"])
def test_a_place_is_seen_as_the_world_shows_it(camera: str) -> None:
    """Far and near move apart as in the world; what a camera uncovers may be wrong, and clouds stand still."""
    subject = Subject(kind="ball", colour="red", size="small", motion="enter", direction="left")
    scene = Scene(place="farm", style="flat", camera=camera, subjects=(subject,))
    places = pixels(9, 16, 16, WHOLE, (9, 16))
    shown = seen(staged(scene), places)[0].permute(1, 2, 3, 0).numpy()
    for number in (0, 8):  # the subject is not there yet
        true = render(scene, height=144, width=256, times_s=[number / 8])[0] / 127.5 - 1
        assert np.abs(shown[number] - true).mean() < 0.07
        frozen = np.abs(seen(staged(replace(scene, camera="still")), places)[0, :, 0].permute(1, 2, 0).numpy() - true)
        assert camera == "still" or np.abs(shown[number] - true).mean() < 0.75 * frozen.mean()


def test_cameras_that_move_and_that_stand_can_share_a_batch() -> None:
    subject = Subject(kind="duck", colour="red")
    films = [
        staged(Scene(place="sea", camera=camera, subjects=(subject,))) for camera in ("pan_left", "still", "zoom_out")
    ]
    places = pixels(9, 16, 4, (torch.zeros(3), torch.zeros(3)), (9, 16))
    together = seen(Stage(*(torch.cat(parts) for parts in zip(*films, strict=True))), places)
    for number, film in enumerate(films):
        torch.testing.assert_close(together[number : number + 1], seen(film, places[:1]))
    assert torch.equal(together[1, :, 0], together[1, :, -1]) and not torch.equal(together[0, :, 0], together[0, :, -1])


def test_subjects_lie_before_their_place() -> None:
    transform = PatchTransform(AutoencoderConfig(channels=6, cell=4))
    transform.basis.normal_(std=0.1)
    rows = torch.zeros(2, 4, layouts.COLUMNS)
    rows[:, :, layouts.columns(0)] = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    cutouts = torch.rand(2, 2, 4, layouts.CUTOUT_PX, layouts.CUTOUT_PX) * 0.9
    places = pixels(9, 16, 4, (torch.zeros(2), torch.zeros(2)), (9, 16))
    stage = Stage(torch.rand(2, 4, 160, 256), torch.zeros(2, 8, 3))
    stage.backdrop[1] = 0
    _, shown = draft(rows, cutouts, places, transform, stage)
    colours, alpha = laid(rows, cutouts, places)
    wanted = transform.encode(colours + (1 - alpha) * seen(stage, places))
    torch.testing.assert_close(shown[:1], wanted[:1])
    assert not shown[1].any()  # a backdrop of zeros shows nothing


def test_as_much_of_a_backdrop_is_drawn_as_its_frame_may_see() -> None:
    assert field(layouts.reach(9, 16), 16) == (10, 16)
    assert field(layouts.reach(12, 12), 16) == (12, 14)
    assert field((9.0, 9.0), 16) == (16, 18)


def test_who_is_shown_no_place_keeps_the_own_estimate() -> None:
    staging = Staging(width=8, patch=12)
    backdrops = torch.randn(2, 6, 4, 3, 5)
    backdrops[1] = 0
    tokens, own = staging.tokens(backdrops, frames=2), torch.randn(2, 30, 12)
    assert tokens.shape == (2, 30, 12) and not staging.into(tokens).any()
    found = staging(torch.randn(2, 30, 8), own, tokens, staging.shown(tokens))
    torch.testing.assert_close(found[0], 0.75 * own[0] + 0.25 * tokens[0])
    assert torch.equal(found[1], own[1])
