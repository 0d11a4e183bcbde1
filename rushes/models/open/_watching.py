"""Steps of a film while an open-weight model makes it: how many are done, and what the film is becoming.

b films (two where one is guided away from), c channels, t h w latent grid
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from rushes.models.open import Watch
from rushes.models.open._latents import Grid, Layout
from rushes.models.open._noise import Noise
from rushes.types import GenerationRequest

STEP_END = "callback_on_step_end"
TIME = "timestep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How the film that is being made can be seen: its latents' layout and grid, and whether anybody has the time."""

    layout: Layout
    grid: Grid
    is_due: Callable[[], bool]


class Steps:
    """Lets `watch` hear of each step, by the pipeline's own callback or, where it has none, from its denoiser.

    With `sight` it sees the clean film `[1 c t h w]` that the denoiser means by then, else nothing.
    """

    def __init__(self, pipe: Any, denoiser: str, request: GenerationRequest, watch: Watch, sight: Sight | None) -> None:
        found = (pipe.components.get(name) for name in (denoiser, f"{denoiser}_2"))
        self._denoisers: list[nn.Module] = [each for each in found if each is not None]
        self._pipe, self._request, self._watch, self._sight = pipe, request, watch, sight
        self._hooks: list[Any] = []
        self._calls: list[tuple[Tensor, Tensor, Tensor]] = []  # of this step: what was read, said, and when
        self._num_calls, self._unit = 0, 0.0
        has_callback = STEP_END in inspect.signature(pipe.__call__).parameters
        self.arguments: dict[str, Any] = {STEP_END: self._ended} if has_callback else {}

    def __enter__(self) -> None:
        if self._sight or not self.arguments:
            self._hooks = [each.register_forward_hook(self._called, with_kwargs=True) for each in self._denoisers]

    def __exit__(self, *raised: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _ended(self, pipe: Any, index: int, at: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        self._watch(index + 1, self._clean())
        return tensors

    def _called(self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any], said: Any) -> None:
        if self._sight:
            arguments = inspect.signature(module.forward).bind(*given, **named).arguments
            self._calls.append((next(iter(arguments.values())), said[0], arguments[TIME]))
        self._num_calls += 1
        passes = 2 if self._request.guidance_scale > 1 else 1
        if not self.arguments and self._num_calls % passes == 0:
            self._watch(self._num_calls // passes, self._clean())

    def _clean(self) -> Tensor | None:
        """Return the film that is meant by this step's calls, guided as the pipeline guides it."""
        calls, self._calls = self._calls, []
        if not calls or self._sight is None:
            return None
        x, said, given = calls[0]
        noise, first = Noise(self._pipe.scheduler), float(self._pipe.scheduler.timesteps[0])
        timestep = given.flatten().amax().float()  # a picture that is given has none of its film's noise
        if not self._unit:
            self._unit = float(timestep) / first if first else 1.0
        if not self._sight.is_due():
            return None
        scale = self._request.guidance_scale
        if len(calls) > 1:  # the one that is asked for comes first
            said = calls[1][1] + scale * (said - calls[1][1])
        elif scale > 1 and len(said) % 2 == 0:  # both at once, the other one first
            other, said = said.float().chunk(2)
            said, x = other + scale * (said - other), x.chunk(2)[0]
        if x.ndim > 3:
            x = x[:, : said.shape[1]]  # beside it, some are told of pictures
        clean = noise.clean(x.float(), said.float(), (timestep / self._unit).view(1))
        return self._sight.layout.take(self._pipe, clean, self._sight.grid)
