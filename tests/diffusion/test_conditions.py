"""Tests how a film in the making is kept in agreement with what is known of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rushes.diffusion import conditions, samplers, schedule
from rushes.diffusion.conditions import Evidence, Prior

PRIOR = Prior(deviation=torch.tensor([2.0, 0.5]), stillness=torch.tensor([0.95, 0.0]))


def still_films(random: torch.Generator, num: int) -> Tensor:
    """Draw films from `PRIOR` itself: `[num 2 4 1 1]`."""
    at = torch.arange(4.0)
    lag = (at[:, None] - at).abs()
    likeness = PRIOR.stillness[:, None, None] * torch.exp(-lag / conditions.LASTS)
    covariance = torch.where(lag == 0, 1.0, likeness) * PRIOR.deviation.square()[:, None, None]
    roots = torch.linalg.cholesky(covariance)
    return torch.einsum("cij,bcj->bci", roots, torch.randn(num, 2, 4, generator=random))[..., None, None]


def best_guess(x: Tensor, t: float) -> Tensor:
    """The mean of a film of `PRIOR` given its noised self: what a perfect model says."""
    at = torch.arange(4.0)
    lag = (at[:, None] - at).abs()
    likeness = PRIOR.stillness[:, None, None] * torch.exp(-lag / conditions.LASTS)
    spread = torch.where(lag == 0, 1.0, likeness) * PRIOR.deviation.square()[:, None, None]
    scaled = (1 - t) * spread @ torch.linalg.inv((1 - t) ** 2 * spread + t**2 * torch.eye(4))
    return torch.einsum("cij,bcjhw->bcihw", scaled, x)


def test_what_is_known_is_met_exactly_and_carried_to_what_is_still() -> None:
    clean, wanted = torch.zeros(1, 2, 4, 3, 3), torch.ones(1, 2, 1, 3, 3)
    agree = conditions.known([Evidence(frames=(0,), missing=lambda seen: wanted - seen)], PRIOR)
    early, late = agree(clean, 1.0), agree(clean, 0.02)
    for made in (early, late):
        assert torch.allclose(made[:, :, :1], wanted)
        assert torch.allclose(made[:, 1, 1:], torch.zeros(3, 3, 3))  # a channel that never lasts carries nothing
    assert (early[:, 0, 1:] > 0.7).all()
    assert (early[:, 0, 1] > early[:, 0, 3]).all()
    assert (late[:, 0, 1:].abs() < 0.05).all()  # at the end the model knows better


def test_two_known_frames_agree_with_each_other() -> None:
    ends = [
        Evidence(frames=(0,), missing=lambda seen: 1.0 - seen),
        Evidence(frames=(3,), missing=lambda seen: -1.0 - seen),
    ]
    made = conditions.known(ends, PRIOR)(torch.zeros(1, 2, 4, 1, 1), 1.0)[0, 0, :, 0, 0]
    assert made[0] == 1 and made[3] == -1
    assert made[0] > made[1] > made[2] > made[3]
    with pytest.raises(AssertionError):
        conditions.known([ends[0], ends[0]], PRIOR)


def test_films_drawn_under_a_condition_are_distributed_as_they_should_be() -> None:
    """With a perfect model of Gaussian films, frame 0 given, the others' mean and spread are known in closed form."""
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(4000, 2, 4, 1, 1, generator=random)
    agree = conditions.known([Evidence(frames=(0,), missing=lambda seen: 1.5 - seen)], PRIOR)

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        return (x - best_guess(x, float(t[0]))) / t.view(-1, 1, 1, 1, 1)

    made = samplers.multistep(conditions.agreeing(velocity, agree), noise, schedule.grid(60, 1.0))[..., 0, 0]
    assert torch.allclose(made[:, :, 0], torch.full((4000, 2), 1.5))
    likeness = 0.95 * torch.exp(torch.tensor(-1.0 / conditions.LASTS))
    assert abs(float(made[:, 0, 1].mean()) - 1.5 * float(likeness)) < 0.15
    assert abs(float(made[:, 0, 1].std()) / (2.0 * float((1 - likeness**2).sqrt())) - 1) < 0.35
    assert abs(float(made[:, 1, 1].mean())) < 0.05
    assert abs(float(made[:, 1, 1].std()) - 0.5) < 0.05


def test_outside_an_area_nothing_changes() -> None:
    film, is_free = torch.zeros(1, 2, 4, 2, 2), torch.tensor([[True, False], [False, False]])
    made = conditions.outside(film, is_free)(torch.ones_like(film), 0.5)
    assert made[..., 0, 0].eq(1).all() and made.sum() == 8


def test_the_velocity_leads_to_the_corrected_film() -> None:
    agreeing = conditions.agreeing(lambda x, t: torch.zeros_like(x), lambda clean, t: clean + 1)
    x, t = torch.randn(2, 3, 4, 1, 1), torch.full((2,), 0.5)
    assert torch.allclose(x - 0.5 * agreeing(x, t), x + 1)


def test_a_turning_film_is_seen_from_other_beginnings() -> None:
    starts: list[int] = []

    def velocity(x: Tensor, t: Tensor, by: int) -> Tensor:
        starts.append(by)
        assert int(x[0, 0, :, 0, 0].argmin()) == -by % 6
        return x * 2

    x = torch.arange(6.0).view(1, 1, 6, 1, 1)
    turned = conditions.turning(velocity, 6)
    assert all(torch.equal(turned(x, torch.ones(1)), x * 2) for _ in range(6))
    assert starts[0] == 0 and len(set(starts)) >= 4
    starts.clear()
    straight = conditions.turning(velocity, 0)
    assert all(torch.equal(straight(x, torch.ones(1)), x * 2) for _ in range(3)) and not any(starts)
