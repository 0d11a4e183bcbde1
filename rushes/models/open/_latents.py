"""Pixels and latents of open-weight models: an autoencoder's numbers, as its denoiser wants them, and back.

b films, c channels, t h w latent grid, H W pixels
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rushes.models.open import _memory_shapes as shapes

DECODING_T = 0.05  # of LTX-Video's autoencoder, which cleans up while it paints
Grid = tuple[int, int, int]  # latent frames, rows, columns


def _as_it_is(pipe: Any, latents: Tensor) -> Tensor:
    return latents


def _taken_as_it_is(pipe: Any, latents: Tensor, grid: Grid) -> Tensor:
    return latents


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a pipeline hands latents `[b c t h w]` to its denoiser: `carry` makes them so, `take` undoes it."""

    carry: Callable[[Any, Tensor], Tensor] = _as_it_is
    take: Callable[[Any, Tensor, Grid], Tensor] = _taken_as_it_is


FILMS = Layout()
TURNED = Layout(carry=lambda pipe, x: x.transpose(1, 2), take=lambda pipe, x, grid: x.transpose(1, 2))
PICTURES = Layout(carry=lambda pipe, x: x[:, :, 0], take=lambda pipe, x, grid: x[:, :, None])


def _packed(pipe: Any, x: Tensor) -> Tensor:
    return pipe._pack_latents(x, pipe.transformer_spatial_patch_size, pipe.transformer_temporal_patch_size)


def _unpacked(pipe: Any, x: Tensor, grid: Grid) -> Tensor:
    return pipe._unpack_latents(x, *grid, pipe.transformer_spatial_patch_size, pipe.transformer_temporal_patch_size)


PACKED = Layout(carry=_packed, take=_unpacked)  # LTX-Video's: a row of tokens


def grid(vae: Any, frames: int, height: int, width: int) -> Grid:
    """Return the latent grid of films of so many frames and pixels."""
    per_frames, per_side = shapes.factors(_says(vae))
    return 1 + (frames - 1) // per_frames, height // per_side, width // per_side


@torch.no_grad()
def encoded(vae: Any, pixels: Tensor) -> Tensor:
    """Return the latents `[1 c t h w]` float32 of a film `[1 3 T H W]` in -1 to 1, as a denoiser knows them."""
    pixels = pixels.to(vae.device, vae.dtype)
    if shapes.is_film(_says(vae)):
        latents = vae.encode(pixels).latent_dist.mode()
    else:
        latents = vae.encode(pixels[0].transpose(0, 1)).latent_dist.mode().transpose(0, 1)[None]
    mean, deviation = (each.to(latents) for each in _scale(vae))
    return ((latents - mean) / deviation).float()


@torch.no_grad()
def painted(vae: Any, latents: Tensor) -> Tensor:
    """Return one picture `[3 H W]` float32 in -1 to 1 of one latent frame `[1 c 1 h w]`."""
    mean, deviation = (each.to(latents) for each in _scale(vae))
    latents = (latents * deviation + mean).to(vae.dtype)
    if not shapes.is_film(_says(vae)):
        return vae.decode(latents[:, :, 0], return_dict=False)[0][0].float()
    told = {"temb": latents.new_full((1,), DECODING_T)} if vae.config.get("timestep_conditioning") else {}
    film = vae.decode(latents, return_dict=False, **told)[0][0]
    return film[:, film.shape[1] // 2].float()


def _scale(vae: Any) -> tuple[Tensor, Tensor]:
    """Return the mean and the deviation of an autoencoder's latents, each `[1 c 1 1 1]`, or a single number."""
    says = {**vae.config, **dict(vae.named_buffers(recurse=False))}  # LTX-Video measures its own
    mean, deviation = says.get("latents_mean"), says.get("latents_std")
    shift = torch.as_tensor(says.get("shift_factor") or 0.0) if mean is None else torch.as_tensor(mean)
    spread = torch.as_tensor(1.0 if deviation is None else deviation) / (says.get("scaling_factor") or 1.0)
    return shift.float().view(1, -1, 1, 1, 1), spread.float().view(1, -1, 1, 1, 1)


def _says(vae: Any) -> dict[str, Any]:
    return {**vae.config, "_class_name": type(vae).__name__}
