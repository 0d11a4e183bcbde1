"""Tests of the rows that banks hold: shapes, what they say of their scene, and that an index gives one row."""

from pathlib import Path

import numpy as np
import torch

from rushes.data.banks.world_rows import FrameRows, LatentRows, PaintRows, patch_statistics, to_view
from rushes.models.autoencoder import Autoencoder
from rushes.models.oracle import shown_frames
from rushes.models.toy import CHANNELS, autoencoder
from rushes.world.render import render
from rushes.world.scene import SceneFilters, from_dict, split_of


def test_bytes_become_a_view() -> None:
    frames = np.zeros((2, 4, 5, 3), np.uint8)
    frames[1, 2, 3] = (255, 0, 51)
    view = to_view(frames)
    assert view.shape == (1, 3, 2, 4, 5)
    assert torch.allclose(view[0, :, 1, 2, 3], torch.tensor([1.0, -1.0, -0.6]))


def test_latent_rows_are_the_encoded_window(toy_autoencoder: Path) -> None:
    rows = LatentRows(autoencoder=str(toy_autoencoder), seconds=1, rows=4, columns=6, cell=8)
    arrays, values = rows(5)
    assert arrays["latent"].shape == (CHANNELS, 2, 4, 6) and arrays["latent"].dtype == np.float16
    assert arrays["mask"].shape == (2, 4, 6) and arrays["mask"].dtype == np.uint8
    times = [values["start_s"] + i / 8 for i in range(8)]
    frames = render(from_dict(values["scene"]), height=32, width=48, times_s=times)
    model = Autoencoder.from_pretrained(toy_autoencoder)
    assert np.allclose(model.encode(to_view(frames))[0].numpy(), arrays["latent"], atol=5e-3)
    assert 0 <= values["start_s"] <= values["duration_s"] - 1
    assert len(values["captions"]) == 4 and all(values["captions"])


def test_masks_cover_the_subject(toy_autoencoder: Path) -> None:
    rows = LatentRows(autoencoder=str(toy_autoencoder), seconds=1, rows=9, columns=16, cell=8)
    covered = [rows(index)[0]["mask"].mean() / 255 for index in range(4)]
    assert all(0 < share < 0.7 for share in covered)


def test_an_index_gives_one_row_and_a_split_is_kept() -> None:
    rows = FrameRows(height=18, width=32, held_out_share=1.0)
    first, again, other = rows(0), rows(0), rows(1)
    assert np.array_equal(first[0]["frames"], again[0]["frames"]) and first[1] == again[1]
    assert first[1] != other[1]
    assert first[0]["frames"].shape == (12, 18, 32, 3)
    assert all(split_of(from_dict(values["scene"])) == "test" for _, values in (first, other))
    known = FrameRows(height=18, width=32, held_out_share=0.0)
    assert all(split_of(from_dict(known(index)[1]["scene"])) == "train" for index in range(3))


def test_of_a_film_with_a_rate_what_is_on_the_screen_is_read() -> None:
    filters = SceneFilters(num_subjects_weights=(1.0, 0.0), durations_s=(1.0,), cameras=("pan_left",), still_camera=0.0)
    exact, shown = (FrameRows(height=18, width=32, fps=fps, filters=filters)(0)[0]["frames"] for fps in (0, 8))
    numbers = shown_frames(8, 8)
    assert numbers.tolist() == [0, 2, 5, 7, *range(8)]
    assert all(np.array_equal(frame, shown[4 + number]) for frame, number in zip(shown, numbers, strict=True))
    assert not any(np.array_equal(*pair) for pair in zip(exact[:4], shown[:4], strict=True))


def test_crops_to_paint_fit_what_they_show() -> None:
    arrays, _ = PaintRows(crop_rows=2, crop_columns=3, cell=8, scale=2, grids=(5, 6))(0)
    assert arrays["view"].shape == (12, 16, 24, 3)
    assert arrays["target"].shape == (3, 32, 48, 3)
    frames = arrays["frames"]
    assert (np.diff(frames) > 0).all() and frames[0] >= 0 and frames[-1] < 12
    # The target is the middle half-second at twice the size: shrunk, it is close to the view of that moment.
    nearest = 4 + int(frames[0]) // 3
    shrunk = arrays["target"][0].reshape(16, 2, 24, 2, 3).mean((1, 3))
    assert np.abs(shrunk - arrays["view"][nearest].astype(float)).mean() < 12


def test_statistics_are_those_of_the_patches() -> None:
    filters = FrameRows().filters
    mean, covariance = patch_statistics(autoencoder(), 2, 0, filters)
    assert mean.shape == (768,) and covariance.shape == (768, 768)
    assert mean.dtype == covariance.dtype == torch.float64
    assert torch.allclose(covariance, covariance.T)
    values = torch.linalg.eigvalsh(covariance)
    assert values[-1] > 0 and values[0] > -1e-3 * values[-1]
