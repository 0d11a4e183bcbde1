"""Tests of the flow: its ends, its times and its loss."""

import torch

from rushes.diffusion import flow


def films() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(3, 2, 2, 4, 5, generator=random) for _ in range(2))
    return clean, noise, torch.tensor([0.1, 0.5, 0.9]), torch.rand(3, 1, 2, 4, 5, generator=random)


def test_noising_goes_from_the_film_to_noise() -> None:
    clean, noise, _, _ = films()
    assert torch.equal(flow.noised(clean, noise, torch.zeros(3)), clean)
    assert torch.equal(flow.noised(clean, noise, torch.ones(3)), noise)
    assert torch.allclose(flow.noised(clean, noise, torch.full((3,), 0.25)), 0.75 * clean + 0.25 * noise)


def test_the_perfect_velocity_costs_nothing_and_others_cost_their_square() -> None:
    clean, noise, t, weight = films()
    assert (flow.loss(lambda x, t: noise - clean, clean, noise, t, weight) == 0).all()
    off = flow.loss(lambda x, t: noise - clean + 2, clean, noise, t, weight)
    assert torch.allclose(off, 4 * weight.mean((1, 2, 3, 4)))
    assert off.dtype == torch.float32 and off.shape == (3,)


def test_the_velocity_sees_the_noised_film_and_its_time() -> None:
    clean, noise, t, weight = films()
    seen = []
    flow.loss(lambda x, t: seen.append((x, t)) or x, clean, noise, t, weight)
    assert torch.equal(seen[0][0], flow.noised(clean, noise, t)) and torch.equal(seen[0][1], t)


def test_weights_count_where_they_stand() -> None:
    clean, noise, t, weight = films()
    wrong = torch.zeros_like(clean)
    wrong[:, :, 0] = 1
    blind = torch.ones_like(weight)
    blind[:, :, 0] = 0
    assert (flow.loss(lambda x, t: noise - clean + wrong, clean, noise, t, blind) == 0).all()


def test_drawn_times_follow_the_logistic_normal() -> None:
    def draw(**changed: float) -> torch.Tensor:
        values = {"mean": 0.3, "deviation": 1.2, "shift": 1.0} | changed
        return flow.draw_t(20_000, torch.Generator().manual_seed(0), **values)

    t = draw()
    assert (t > 0).all() and (t < 1).all()
    logits = torch.logit(t)
    assert abs(logits.mean() - 0.3) < 0.03 and abs(logits.std() - 1.2) < 0.03
    assert draw(shift=3.0).median() > t.median() + 0.15
    assert torch.equal(t, draw())
