"""How an open-weight denoiser is taught: it is called as its own pipeline calls it, with films that are there.

What the pipeline gives it beside a film (the prompt's tokens, masks, sizes, rotations) is listened to once a prompt, so
that no family needs a training loop of its own.

b films, c channels, t h w latent grid
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rushes.errors import InputError
from rushes.models.open import _files as files
from rushes.models.open import _latents as latents
from rushes.models.open._catalogue import Found
from rushes.models.open._diffusers import Loader, checked, read
from rushes.models.open._noise import Noise
from rushes.types import GenerationRequest, VideoShape

TIME = "timestep"
STEPS = 2  # of the pipeline that is listened to; it is stopped at the first


class _Heard(Exception):  # noqa: N818 - nothing went wrong
    """The pipeline has called its denoiser; no more is needed of it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """How a pipeline calls its denoiser for films of one shape: `arguments`, of which `film` names the noisy one.

    `own` are the tensors that each prompt has of its own. `channels` of the noisy argument are the film's, `unit` turns
    the scheduler's timesteps into those that the denoiser is given.
    """

    arguments: dict[str, Any]
    film: str
    own: frozenset[str]
    grid: latents.Grid
    unit: float
    length: int  # latent frames that the denoiser is given, which may be more than the film has


class Pupil:
    """A pipeline whose denoiser is taught; the other parts encode films and prompts, and never change."""

    def __init__(self, found: Found, pipe: Any) -> None:
        self.pipe, self.checkpoint = pipe, found.checkpoint
        self.loader = teachable(found)
        self.denoiser: nn.Module = pipe.components[found.checkpoint.denoiser].eval()
        self.noise = Noise(pipe.scheduler)
        self._calls: dict[latents.Grid, Call] = {}

    @torch.no_grad()
    def encode(self, frames: np.ndarray) -> Tensor:
        """Return the latents `[c t h w]` of a film, uint8 RGB `[T H W 3]`; `call` for its shape comes before."""
        pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        made = latents.encoded(self.pipe.vae, pixels)[0].cpu()
        missing = self._calls[self._grid(frames.shape[0], *frames.shape[1:3])].length - made.shape[1]
        return torch.cat((made[:, :1].repeat(1, missing, 1, 1), made), dim=1) if missing else made

    def read(self, prompt: str, shape: VideoShape) -> dict[str, Tensor]:
        """Return the tensors that a prompt has of its own, `[1 ...]` each, by name."""
        call = self.call(shape)
        heard = self._heard(prompt, shape, num=1)
        return {name: tensor.cpu() for name, tensor in _tensors(heard) if name in call.own}

    def call(self, shape: VideoShape) -> Call:
        """Return how films of a shape are asked for."""
        grid = self._grid(shape.frames, shape.height, shape.width)
        if grid not in self._calls:
            one, two = (self._heard("", shape, num=num) for num in (1, 2))
            twice = dict(_tensors(two))
            film = next(iter(one))
            own = {name for name, each in _tensors(one) if each.ndim and len(twice[name]) == 2 * len(each)}
            first = self.pipe.scheduler.timesteps[0].item()
            unit = float(one[TIME].max()) / first if first else 1.0
            taken = self.loader.layout.take(self.pipe, one[film], grid)
            self._calls[grid] = Call(
                arguments=one, film=film, own=frozenset(own - {TIME, film}), grid=grid, unit=unit, length=taken.shape[2]
            )
        return self._calls[grid]

    def error(self, clean: Tensor, noise: Tensor, t: Tensor, own: dict[str, Tensor], grid: latents.Grid) -> Tensor:
        """Return how far the denoiser's word of films `[b c t h w]` is from the truth, squared, `[b]`."""
        call, like = self._calls[grid], next(self.denoiser.parameters())
        steps = self.noise.timesteps(t)
        carry = self.loader.layout.carry
        x = carry(self.pipe, self.noise.mixed(clean, noise, steps)).to(like)
        wanted = carry(self.pipe, self.noise.target(clean, noise, steps))
        given = _filled(call.arguments, own, like)
        given[call.film] = _beside(x, call.arguments[call.film])
        told = call.arguments[TIME]
        each = (steps * call.unit).to(like.device, told.dtype if not self.noise.is_flow else torch.float32)
        given[TIME] = each.view(-1, *[1] * (told.ndim - 1)).expand(-1, *told.shape[1:])
        with warnings.catch_warnings():  # Mochi asks for a dtype that processors round in any case
            warnings.simplefilter("ignore")
            said = self.denoiser(**given)[0].float()
        return (said - wanted.to(said)).square().flatten(1).mean(1)

    def _grid(self, frames: int, height: int, width: int) -> latents.Grid:
        return latents.grid(self.pipe.vae, frames, height, width)

    def _heard(self, prompt: str, shape: VideoShape, *, num: int) -> dict[str, Any]:
        """Return what the pipeline calls its denoiser with first, for `num` films of a prompt."""
        name, fps = self.checkpoint.name, self.checkpoint.native.tier.fps
        request = GenerationRequest(  # in which nothing is guided away from
            prompt="a film", model=name, shape=shape, fps=fps, num_steps=STEPS, guidance_scale=1.0
        )
        arguments = self.loader.arguments(self.pipe, request) | {"prompt": [prompt] * num}
        arguments |= {name: None for name in ("negative_prompt",) if name in arguments}
        names = inspect.signature(self.denoiser.forward)
        heard: dict[str, Any] = {}

        def listen(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            heard.update(names.bind(*given, **named).arguments)
            raise _Heard

        hook = self.denoiser.register_forward_pre_hook(listen, with_kwargs=True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.pipe(**arguments, output_type="latent")
        except _Heard:
            return heard
        finally:
            hook.remove()
        raise AssertionError("a pipeline that never calls its denoiser")


def opened(found: Found, dtype: torch.dtype) -> tuple[Pupil, dict[str, str]]:
    """Return a model to be taught, on the CPU, and the fingerprint of each of its components.

    Raises:
        InputError: it cannot be taught, and why.
        WeightsError: its weights are missing, damaged, pickled or another's.
    """
    teachable(found)
    folder = found.folder or files.locate(found.checkpoint)
    hashes, elsewhere = checked(found.checkpoint, folder)
    return Pupil(found, read(found.checkpoint, folder, elsewhere, dtype)), hashes


def teachable(found: Found) -> Loader:
    """Return the loader of a model that can be taught. Raises: InputError where it cannot, and why."""
    checkpoint, load = found.checkpoint, found.family.load
    if not isinstance(load, Loader) or not load.is_taught:
        raise InputError(f"{checkpoint.name} cannot be taught: it is not called like other models")
    if checkpoint.num_denoisers > 1:
        raise InputError(f"{checkpoint.name} cannot be taught: two denoisers share its steps")
    if checkpoint.native.needs:
        raise InputError(f"{checkpoint.name} cannot be taught: each of its films begins with a picture")
    return load


def _tensors(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor inside of arguments, by a name that says where it is."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, (dict, list, tuple)):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in pairs:
            yield from _tensors(each, f"{name}.{key}".removeprefix("."))


def _filled(value: Any, own: dict[str, Tensor], like: Tensor, name: str = "") -> Any:
    """Return arguments with other tensors in the places of `own`, all where `like` is; their numbers are like it."""
    if isinstance(value, Tensor):
        if name not in own:
            return value.to(like.device)
        return own[name].to(like.device, like.dtype if value.is_floating_point() else None)
    if isinstance(value, dict):
        return {key: _filled(each, own, like, f"{name}.{key}".removeprefix(".")) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(each, own, like, f"{name}.{index}") for index, each in enumerate(value))
    return value


def _beside(x: Tensor, heard: Tensor) -> Tensor:
    """Return noisy films with the channels that a denoiser is given beside theirs."""
    more = heard[:1, x.shape[1] :] if x.ndim == 5 and heard.shape[2:] == x.shape[2:] else heard[:1, :0]
    return torch.cat((x, more.expand(len(x), *more.shape[1:]).to(x)), dim=1) if more.numel() else x
