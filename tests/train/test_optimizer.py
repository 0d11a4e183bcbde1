"""Tests of the optimizer: what Muon does to a matrix, what AdamW does to the rest, and that its state comes back."""

import pytest
import torch
from torch import nn

from rushes.train.optimizer import Optimizer, OptimizerConfig, lr_schedule, orthogonalise

STEPS = 100


class Model(nn.Module):
    """Two hidden matrices of one shape, one of another, and what is no hidden matrix."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.into = nn.Linear(5, 8)
        self.blocks = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 4)])
        self.unused = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.into(x)
        for block in self.blocks:
            x = torch.tanh(block(x))
        return x


def train(model: Model, optimizer: Optimizer, steps: range) -> list[float]:
    losses = []
    for step in steps:
        random = torch.Generator().manual_seed(step)
        x = torch.randn(16, 5, generator=random)
        loss = (model(x) - x[:, :4].tanh() * 0.8).square().mean()
        loss.backward()
        optimizer.step(step, STEPS)
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 40), (2, 40, 8)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, ...]) -> None:
    random = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    skewed = random * torch.logspace(0, -1, shape[2])
    values = torch.linalg.svdvals(orthogonalise(skewed))
    assert values.min() > 0.6 and values.max() < 1.3
    assert torch.allclose(orthogonalise(skewed * 1e4), orthogonalise(skewed), atol=1e-3)


def test_orthogonalising_keeps_the_singular_directions() -> None:
    matrix = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    core = u.T @ orthogonalise(matrix[None])[0] @ v.T
    assert (core - torch.diag(core.diagonal())).abs().max() < 1e-3


def test_the_learning_rate_rises_stays_and_falls() -> None:
    config = OptimizerConfig(warmup=0.1, decay=0.3)
    shares = [lr_schedule(step, STEPS, config) for step in range(STEPS)]
    assert shares[0] == pytest.approx(0.1) and shares[4] == pytest.approx(0.5)
    assert shares[10:70] == [1.0] * 60
    assert shares[85] == pytest.approx(0.5)
    assert min(shares) == shares[-1] == pytest.approx(1 / 30)
    assert lr_schedule(STEPS, STEPS, config) == 0.02


def test_a_run_of_one_step_has_a_learning_rate() -> None:
    assert lr_schedule(0, 1, OptimizerConfig()) == 1.0


def test_hidden_matrices_go_to_muon_and_the_rest_to_adam() -> None:
    optimizer = Optimizer(Model(), OptimizerConfig())
    assert optimizer.matrices == ["blocks.0.weight", "blocks.1.weight", "blocks.2.weight"]
    assert "blocks.0.bias" in optimizer.adam_names and "into.weight" in optimizer.adam_names
    assert Optimizer(Model(), OptimizerConfig(muon_lr=0.0)).matrices == []


def test_a_matrix_moves_by_an_orthogonal_step() -> None:
    model = Model()
    optimizer = Optimizer(model, OptimizerConfig(weight_decay=0.0, warmup=0.0))
    before = model.blocks[0].weight.detach().clone()
    train(model, optimizer, range(1))
    values = torch.linalg.svdvals((before - model.blocks[0].weight.detach()) / 0.02)
    assert values.max() < 1.3 and values[0] / values[3] < 2  # a tanh network's gradient has a few weak directions


def test_weight_decay_shrinks_matrices_and_not_vectors() -> None:
    model = Model()
    optimizer = Optimizer(model, OptimizerConfig(weight_decay=0.5, warmup=0.0, lr=0.1, muon_lr=0.1))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step(0, STEPS)
    for name, parameter in model.named_parameters():
        share = 0.95 if parameter.ndim == 2 else 1.0
        assert torch.allclose(parameter, before[name] * share, atol=1e-5), name


def test_the_norm_is_that_before_clipping_and_gradients_are_cleared() -> None:
    model = Model()
    optimizer = Optimizer(model, OptimizerConfig(clip=0.1))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    count = sum(p.numel() for p in model.parameters())
    assert optimizer.step(0, STEPS) == pytest.approx(count**0.5, rel=1e-4)
    assert all(p.grad is None for p in model.parameters())


def test_training_learns_and_the_average_follows() -> None:
    model = Model()
    optimizer = Optimizer(model, OptimizerConfig(lr=1e-2, ema=0.9))
    losses = train(model, optimizer, range(STEPS))
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    for name, parameter in model.named_parameters():
        if "unused" not in name:
            assert 0 < (optimizer.average[name] - parameter).norm() < 0.5 * parameter.norm()


def test_the_average_starts_at_the_weights_and_warms_up() -> None:
    model = Model()
    optimizer = Optimizer(model, OptimizerConfig(ema=0.999))
    start = {name: a.clone() for name, a in optimizer.average.items()}
    assert all(torch.equal(start[name], p) for name, p in model.named_parameters())
    train(model, optimizer, range(1))  # decay 1/10 at first
    for name, parameter in model.named_parameters():
        assert torch.allclose(optimizer.average[name], start[name] * 0.1 + parameter * 0.9, atol=1e-6)


def test_the_state_comes_back_exactly() -> None:
    config = OptimizerConfig(lr=1e-2)
    model = Model()
    optimizer = Optimizer(model, config)
    train(model, optimizer, range(7))
    other = Model()
    other.load_state_dict(model.state_dict())
    resumed = Optimizer(other, config)
    resumed.load_state({name: tensor.clone() for name, tensor in optimizer.state().items()})
    assert train(model, optimizer, range(7, 20)) == train(other, resumed, range(7, 20))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    first, second = optimizer.state(), resumed.state()
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert "adam.exp_avg.unused.weight" not in first  # what never had a gradient has no moments
