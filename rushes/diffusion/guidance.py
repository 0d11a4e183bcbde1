"""Guidance: how a prompted and an unprompted velocity become one."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """Classifier-free guidance `uncond + scale (cond - uncond)` while t is inside `[lowest_t, highest_t]`.

    Source: arXiv 2207.12598 eq. 6; the interval: arXiv 2404.07724.
    """

    scale: float
    lowest_t: float = 0.0
    highest_t: float = 1.0

    def is_on(self, t: float) -> bool:
        """Whether the unprompted velocity is needed at t."""
        return self.scale != 1.0 and self.lowest_t <= t <= self.highest_t

    def mix(self, prompted: Tensor, unprompted: Tensor) -> Tensor:
        """Combine two velocities of one shape."""
        return unprompted + self.scale * (prompted - unprompted)
