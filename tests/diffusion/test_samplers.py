"""Tests of the samplers on a flow whose answer is known: Gaussian films."""

import pytest
import torch
from torch import Tensor

from rushes.diffusion.samplers import euler, multistep
from rushes.diffusion.schedule import grid

MEAN, DEVIATION = 1.5, 0.4
SAMPLERS = [euler, multistep]


def velocity(x: Tensor, t: Tensor) -> Tensor:
    """The exact velocity of films drawn from N(MEAN, DEVIATION^2): E[noise - clean | x], linear in x."""
    t = t.view(-1, 1, 1, 1, 1)
    variance = (1 - t) ** 2 * DEVIATION**2 + t**2
    centred = (x - (1 - t) * MEAN) / variance
    return t * centred - (MEAN + (1 - t) * DEVIATION**2 * centred)


def noise() -> Tensor:
    return torch.randn(4, 2, 2, 3, 3, generator=torch.Generator().manual_seed(0))


def error(sampler, num_steps: int) -> float:
    exact = MEAN + DEVIATION * noise()
    return float((sampler(velocity, noise(), grid(num_steps, 1.0)) - exact).abs().max())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_recovers_the_exact_flow(sampler) -> None:
    assert error(sampler, 400) < 0.01


def test_multistep_beats_euler_at_equal_steps() -> None:
    for num_steps in (8, 16, 32):
        assert error(multistep, num_steps) < 0.6 * error(euler, num_steps)


def test_orders_of_convergence() -> None:
    assert error(euler, 40) / error(euler, 80) == pytest.approx(2, rel=0.3)
    assert error(multistep, 40) / error(multistep, 80) > 2.8


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_film_at_the_end_of_every_path_is_found_in_one_step(sampler) -> None:
    clean = torch.full((1, 1, 1, 2, 2), 0.7)
    start = torch.randn(1, 1, 1, 2, 2)
    found = sampler(lambda x, t: (x - clean) / t.view(-1, 1, 1, 1, 1), start, grid(1, 1.0))
    assert torch.allclose(found, clean, atol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_watching_sees_every_step_and_the_last_one_is_the_film(sampler) -> None:
    seen: list[tuple[int, Tensor]] = []
    found = sampler(velocity, noise(), grid(5, 2.0), lambda step, clean: seen.append((step, clean)))
    assert [step for step, _ in seen] == [1, 2, 3, 4, 5]
    assert torch.allclose(seen[-1][1], found, atol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_step_is_one_evaluation_at_the_grid_s_time_for_the_whole_batch(sampler) -> None:
    times: list[Tensor] = []

    def counted(x: Tensor, t: Tensor) -> Tensor:
        times.append(t)
        return velocity(x, t)

    sampler(counted, noise(), grid(6, 2.0))
    assert torch.equal(torch.stack(times), grid(6, 2.0)[:-1, None].expand(6, 4))
