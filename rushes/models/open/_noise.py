"""How much noise a scheduler's films hold at each moment, and what their denoiser has to say of it.

b films
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SMALLEST = 1e-4  # of what is divided by: at the first step of some schedules a film is noise and nothing else


class Noise:
    """A scheduler's noise, in the numbers that its denoiser reads: `kept` times a clean film, `noisy` times noise.

    Sources: flow matching (arXiv 2210.02747, eq. 23); noise, velocity (arXiv 2202.00512, appendix D) of schedules
    that keep the variance.
    """

    def __init__(self, scheduler: Any) -> None:
        says = scheduler.config
        said = str(says.get("prediction_type") or "epsilon")
        is_flow = type(scheduler).__name__.startswith("FlowMatch") or bool(says.get("use_flow_sigmas"))
        self.says = "flow" if is_flow or said == "flow_prediction" else said
        self.is_turned = bool(says.get("invert_sigmas"))  # Mochi counts from noise to film
        self.num = int(says.num_train_timesteps)
        self._kept = None if self.is_flow else scheduler.alphas_cumprod.float().clamp(0, 1).sqrt()

    @property
    def is_flow(self) -> bool:
        """Return whether films and noise are mixed on straight lines."""
        return self.says == "flow"

    def timesteps(self, t: Tensor) -> Tensor:
        """Return the scheduler's timesteps of times `t [b]` in 0 to 1, 1 being noise."""
        if self.is_flow:
            return (1 - t if self.is_turned else t) * self.num
        return (t * self.num).long().clamp(0, self.num - 1)

    def levels(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Return `kept` and `noisy`, each `[b]`, at timesteps `[b]`."""
        if self._kept is None:
            t = (timesteps.float() / self.num).clamp(0, 1)
            return (t, 1 - t) if self.is_turned else (1 - t, t)
        kept = self._kept.to(timesteps.device)[timesteps.long().clamp(0, self.num - 1)]
        return kept, (1 - kept.square()).sqrt()

    def target(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return what the denoiser should say of films `[b ...]` with this noise."""
        if self.is_flow:
            return clean - noise if self.is_turned else noise - clean
        kept, noisy = (_along(level, clean) for level in self.levels(timesteps))
        return {"epsilon": noise, "sample": clean, "v_prediction": kept * noise - noisy * clean}[self.says]

    def mixed(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return films `[b ...]` with their noise."""
        kept, noisy = (_along(level, clean) for level in self.levels(timesteps))
        return kept * clean + noisy * noise

    def clean(self, x: Tensor, said: Tensor, timesteps: Tensor) -> Tensor:
        """Return the clean films that a denoiser means, from what it read and what it said of it."""
        kept, noisy = (_along(level, x) for level in self.levels(timesteps))
        if self.is_flow:
            return x + noisy * said if self.is_turned else x - noisy * said
        from_noise = (x - noisy * said) / kept.clamp(min=SMALLEST)
        return {"epsilon": from_noise, "sample": said, "v_prediction": kept * x - noisy * said}[self.says]


def _along(level: Tensor, x: Tensor) -> Tensor:
    return level.to(torch.float32).view(-1, *[1] * (x.ndim - 1))
