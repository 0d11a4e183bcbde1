"""Muon for the hidden matrices, AdamW for everything else, both on fp32 masters, with an EMA beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerConfig:
    """`muon_lr` 0 turns Muon off; warm-up and decay are shares of the run; `ema` is the final decay of the average."""

    lr: float = 1e-3
    muon_lr: float = 0.02
    weight_decay: float = 0.01
    warmup: float = 0.03
    decay: float = 0.3
    clip: float = 1.0
    ema: float = 0.999


def lr_schedule(step: int, steps: int, config: OptimizerConfig) -> float:
    """Return the share of the learning rate at `step`: linear warm-up, flat, linear decay to 2 %."""
    warm = max(1.0, config.warmup * steps)
    left = (steps - step) / max(1.0, config.decay * steps)
    return min(1.0, (step + 1) / warm, max(0.02, left))


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Return the nearest semi-orthogonal matrices `[s m n]`, roughly (singular values in about 0.7-1.2).

    Source: Muon's quintic Newton-Schulz iteration (kellerjordan.github.io/posts/muon; coefficients from there).
    """
    x = matrices
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-7)
    # Every factor is a polynomial of the first Gram matrix, so the iteration runs on small squares alone.
    identity = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    gram, product = x @ x.mT, identity
    for index in range(iterations):
        factor = 3.4445 * identity - 4.7750 * gram + 2.0315 * gram @ gram
        product = factor @ product
        if index < iterations - 1:
            gram = factor @ factor @ gram
    x = product @ x
    return x.mT if tall else x


class Optimizer:
    """Steps a model's parameters; its whole state is tensors by name, so that a checkpoint is one safetensors file.

    torch.optim.Muon orthogonalises in bfloat16, which CPUs without AMX emulate 100 times slower, and matrix by
    matrix; this one stacks matrices of one shape and keeps their dtype.
    """

    def __init__(self, model: nn.Module, config: OptimizerConfig) -> None:
        self.config = config
        self.shapes = {name: tuple(p.shape) for name, p in model.named_parameters() if p.requires_grad}
        self.named = self._parameters(model)
        hidden = [n for n, p in self.named.items() if p.ndim == 2 and "blocks." in n and n.endswith("weight")]
        self.matrices = hidden if config.muon_lr > 0 else []
        matrix_names = set(self.matrices)
        others = [n for n in self.named if n not in matrix_names]
        self.adam_names = others
        self.adam = torch.optim.AdamW(
            [
                {
                    "params": [self.named[n] for n in others if self.named[n].ndim >= 2],
                    "weight_decay": config.weight_decay,
                },
                {"params": [self.named[n] for n in others if self.named[n].ndim < 2], "weight_decay": 0.0},
            ],
            lr=config.lr,
            betas=(0.9, 0.98),
            eps=1e-10,
            fused=True,
        )
        self.momentum = {n: torch.zeros_like(self.named[n]) for n in self.matrices}
        self.average = {n: p.detach().clone() for n, p in self.named.items()}

    def _parameters(self, model: nn.Module) -> dict[str, nn.Parameter]:
        return {name: p for name, p in model.named_parameters() if p.requires_grad}

    def _clip(self) -> Tensor:
        return nn.utils.clip_grad_norm_(self.named.values(), self.config.clip)

    def _orthogonal(self, ahead: Tensor, shape: tuple[int, ...]) -> Tensor:
        return orthogonalise(ahead)

    @torch.no_grad()
    def step(self, step: int, steps: int) -> Tensor:
        """Apply the gradients and clear them; returns their norm before clipping, a scalar still on its device."""
        norm = self._clip()
        share = lr_schedule(step, steps, self.config)
        for group in self.adam.param_groups:
            group["lr"] = self.config.lr * share
        self.adam.step()
        self._step_matrices(self.config.muon_lr * share)
        self.adam.zero_grad(set_to_none=True)
        for name in self.matrices:
            self.named[name].grad = None
        decay = min(self.config.ema, (1 + step) / (10 + step))
        names = list(self.named)
        torch._foreach_lerp_([self.average[n] for n in names], [self.named[n] for n in names], 1 - decay)
        return norm

    def _step_matrices(self, lr: float) -> None:
        shapes: dict[tuple[int, ...], list[str]] = {}
        for name in self.matrices:
            if self.named[name].grad is not None:
                shapes.setdefault(self.shapes[name], []).append(name)
        for shape, names in shapes.items():
            momenta = [self.momentum[n] for n in names]
            gradients: list[Tensor] = [self.named[n].grad for n in names]  # type: ignore[misc]
            torch._foreach_lerp_(momenta, gradients, 0.05)
            ahead = torch.stack([g.lerp(m, 0.95) for g, m in zip(gradients, momenta, strict=True)])
            update = self._orthogonal(ahead, shape) * math.sqrt(max(1.0, shape[0] / shape[1]))
            for name, direction in zip(names, update, strict=True):
                self.named[name].mul_(1 - lr * self.config.weight_decay).sub_(direction, alpha=lr)

    def whole_average(self) -> dict[str, Tensor]:
        """Return the average of every trained parameter by name."""
        return self.average

    def state(self) -> dict[str, Tensor]:
        """Return every tensor of the state by name."""
        tensors = {f"momentum.{n}": m for n, m in self.momentum.items()}
        tensors |= {f"average.{n}": a for n, a in self.average.items()}
        for name in self.adam_names:
            entry: dict[str, Any] = self.adam.state.get(self.named[name], {})
            tensors |= {f"adam.{k}.{name}": torch.as_tensor(v) for k, v in entry.items()}
        return {k: v.detach().contiguous() for k, v in tensors.items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        for name, momentum in self.momentum.items():
            momentum.copy_(tensors[f"momentum.{name}"])
        for name, average in self.average.items():
            average.copy_(tensors[f"average.{name}"])
        for name in self.adam_names:
            entry = {
                k: tensors[f"adam.{k}.{name}"].to(self.named[name].device, copy=True)
                for k in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{k}.{name}" in tensors
            }
            if entry:
                self.adam.state[self.named[name]] = entry
