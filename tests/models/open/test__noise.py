"""Tests that a scheduler's noise is what diffusers' own scheduler makes of it, and that what is meant comes back."""

from __future__ import annotations

import pytest
import torch

from rushes.models.open._diffusers import library
from rushes.models.open._noise import Noise

diffusers = library()
SCHEDULERS = {
    "flow": diffusers.FlowMatchEulerDiscreteScheduler(),
    "turned": diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True),
    "multistep": diffusers.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True),
    "noise": diffusers.DDIMScheduler(),
    "velocity": diffusers.CogVideoXDDIMScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True),
    "clean": diffusers.DDIMScheduler(prediction_type="sample"),
}
CLEAN, FRESH = torch.randn(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0)).chunk(2)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_right_answer_means_the_clean_film(name: str) -> None:
    noise = Noise(SCHEDULERS[name])
    for t in (0.02, 0.5, 0.97):
        steps = noise.timesteps(torch.tensor([t]))
        x, said = noise.mixed(CLEAN, FRESH, steps), noise.target(CLEAN, FRESH, steps)
        assert torch.allclose(noise.clean(x, said, steps), CLEAN, atol=2e-4)
    few, many = (noise.levels(noise.timesteps(torch.tensor([t])))[1] for t in (0.1, 0.9))
    assert few < many  # 1 is noise, whichever way a scheduler counts


@pytest.mark.parametrize("name", ["noise", "velocity", "clean"])
def test_films_are_mixed_as_the_scheduler_mixes_them(name: str) -> None:
    scheduler, noise = SCHEDULERS[name], Noise(SCHEDULERS[name])
    steps = torch.tensor([500])
    assert torch.allclose(noise.mixed(CLEAN, FRESH, steps), scheduler.add_noise(CLEAN, FRESH, steps), atol=1e-5)
    if name == "velocity":
        wanted = scheduler.get_velocity(CLEAN, FRESH, steps)
        assert torch.allclose(noise.target(CLEAN, FRESH, steps), wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["flow", "turned"])
def test_one_step_from_pure_noise_with_the_right_answer_is_the_film(name: str) -> None:
    scheduler, noise = SCHEDULERS[name], Noise(SCHEDULERS[name])
    scheduler.set_timesteps(1)
    (step,) = scheduler.timesteps
    made = scheduler.step(noise.target(CLEAN, FRESH, step.view(1)), step, FRESH, return_dict=False)[0]
    assert torch.allclose(made, CLEAN, atol=1e-4)
