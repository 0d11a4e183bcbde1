"""FLUX.1 of Black Forest Labs: single pictures, for instance for a film to begin with."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from rushes.models.open import Checkpoint, OpenFamily
from rushes.models.open._diffusers import Loader, usual
from rushes.models.open._latents import Grid, Layout
from rushes.tiers import Native, Tier
from rushes.types import Factors, GenerationRequest, VideoShape


def arguments(pipe: Any, request: GenerationRequest) -> dict[str, Any]:
    """Return what its pipeline is called with; guidance was distilled into it, so nothing is guided away from."""
    return {
        name: value for name, value in usual(pipe, request).items() if name not in ("num_frames", "negative_prompt")
    }


def _checkpoint(name: str, repo: str, licence: str, steps: int, guidance: float, has_guidance: bool) -> Checkpoint:
    shape = VideoShape(frames=1, height=1024, width=1024)
    return Checkpoint(
        name=name,
        repo=f"black-forest-labs/{repo}",
        licence=licence,
        num_parameters=11_901_408_320 if has_guidance else 11_891_178_560,
        native=Native(
            tier=Tier(name=name, shape=shape, fps=24, num_steps=steps, guidance_scale=guidance),
            multiple_px=16,
            most_pixels=1536 * 1024,
            step=1,
            most_frames=1,
            fps=(24,),
            has_negative=False,
        ),
        makes="FluxPipeline",
        denoiser_class="FluxTransformer2DModel",
        architecture={"guidance_embeds": has_guidance},
        cell=Factors(frames=1, height=16, width=16),
        text_parameters=123_060_480 + 4_762_310_656,
    )


def _packed(pipe: Any, x: Tensor) -> Tensor:
    return pipe._pack_latents(x[:, :, 0], len(x), x.shape[1], *x.shape[3:])


def _unpacked(pipe: Any, x: Tensor, grid: Grid) -> Tensor:
    factor = pipe.vae_scale_factor
    return pipe._unpack_latents(x, grid[1] * factor, grid[2] * factor, factor)[:, :, None]


SPEC = OpenFamily(
    name="flux",
    checkpoints=(
        _checkpoint("flux-dev", "FLUX.1-dev", "FLUX.1 [dev] non-commercial", 28, 3.5, True),
        _checkpoint("flux-schnell", "FLUX.1-schnell", "Apache-2.0", 4, 0.0, False),
    ),
    load=Loader(arguments=arguments, layout=Layout(carry=_packed, take=_unpacked)),
)
