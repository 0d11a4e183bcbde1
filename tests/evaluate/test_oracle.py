"""What the oracle is shown are the frames that a film would have."""

import numpy as np
import pytest
import torch

from rushes.evaluate.oracle import frame_indices, look, look_at_real, paint_at, read
from rushes.evaluate.prompts import draw
from rushes.models.autoencoder import Autoencoder
from rushes.models.oracle import Oracle, reading_times


@pytest.mark.parametrize(("num_frames", "fps"), [(8, 8), (24, 8), (240, 24)])
def test_the_frames_are_those_on_the_screen(num_frames, fps):
    reading, strip = frame_indices(num_frames, fps)
    late = reading_times(num_frames / fps) - reading / fps
    assert len(reading) == 12
    assert (late > -1e-6).all() and (late < 1 / fps).all()
    assert len(set(reading[4:])) == 8  # no two of the quick ones are one frame
    assert list(np.diff(strip)) == [1] * 5
    assert strip[0] >= 0 and strip[-1] < num_frames
    assert strip[3] % (fps // 2) == 0  # a half-second begins in the middle


@pytest.mark.parametrize(("fps", "pixels"), [(8, 48), (24, 16)])
def test_painting_some_frames_is_painting_the_film(weights_folder, fps, pixels):
    autoencoder = Autoencoder.from_pretrained(weights_folder / "autoencoder")
    latent = torch.randn(1, 12, 4, 2, 3, generator=torch.Generator().manual_seed(0))
    film = torch.cat(list(autoencoder.decode(latent, fps=fps, pixels=pixels)))
    indices = [0, fps // 2, fps // 2 - 1, 2 * fps - 1, 0]
    some = ((paint_at(autoencoder, latent, indices, fps=fps, pixels=pixels) + 1) * 127.5).round()
    assert (some.permute(0, 2, 3, 1) - film[indices].float()).abs().max() <= 1  # batches may round differently
    assert film.float().std() > 1


def test_generated_and_real_looks_are_alike(weights_folder):
    autoencoder = Autoencoder.from_pretrained(weights_folder / "autoencoder")
    made = look(autoencoder, torch.randn(1, 12, 2, 9, 16), fps=8, pixels=48)
    real = look_at_real(draw(1, 0)[0].scene, num_frames=8, fps=8)
    for one in (made, real):
        assert (one.frames.shape, one.frames.dtype) == ((12, 90, 160, 3), np.uint8)
        assert (one.strip.shape, one.strip.dtype) == ((6, 180, 320, 3), np.uint8)
        assert one.duration_s == 1.0
    assert real.frames.std() > 5


def test_readings_are_the_oracles_own(weights_folder):
    oracle = Oracle.from_pretrained(weights_folder / "oracle")
    looks = [look_at_real(case.scene, num_frames=24, fps=8) for case in draw(2, 1)]
    readings = read(oracle, looks)
    for seen, reading in zip(looks, readings, strict=True):
        frames = torch.from_numpy(seen.frames).permute(0, 3, 1, 2).float() / 127.5 - 1
        assert reading.answers == oracle.read(frames, 3.0)
        assert reading.features.shape == (9 * oracle.config.width,)
        assert all(0 < sure <= 1 for sure in reading.sureness.values())
    assert not np.allclose(readings[0].features, readings[1].features)
