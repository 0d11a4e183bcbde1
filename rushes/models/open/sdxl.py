"""Stable Diffusion XL: single pictures, for instance for a film to begin with."""

from __future__ import annotations

from typing import Any

from rushes.models.open import Checkpoint, OpenFamily, Published
from rushes.models.open._diffusers import Loader, usual
from rushes.models.open._latents import PICTURES
from rushes.tiers import Native, Tier
from rushes.types import Factors, GenerationRequest, VideoShape

ARCHITECTURE = {
    **{"sample_size": 128, "attention_head_dim": [5, 10, 20], "block_out_channels": [320, 640, 1280]},
    **{"down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"]},
    **{"up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]},
    **{"transformer_layers_per_block": [1, 2, 10], "use_linear_projection": True, "cross_attention_dim": 2048},
    **{"addition_embed_type": "text_time", "addition_time_embed_dim": 256},
    "projection_class_embeddings_input_dim": 2816,
}


def arguments(pipe: Any, request: GenerationRequest) -> dict[str, Any]:
    """Return what its pipeline is called with."""
    return {name: value for name, value in usual(pipe, request).items() if name != "num_frames"}


SPEC = OpenFamily(
    name="sdxl",
    checkpoints=(
        Checkpoint(
            name="sdxl",
            repo="stabilityai/stable-diffusion-xl-base-1.0",
            licence="OpenRAIL++-M",
            num_parameters=2_567_463_684,
            native=Native(
                tier=Tier(
                    name="sdxl",
                    shape=VideoShape(frames=1, height=1024, width=1024),
                    fps=24,
                    num_steps=40,
                    guidance_scale=5.0,
                ),
                multiple_px=8,
                most_pixels=1024 * 1024,
                step=1,
                most_frames=1,
                fps=(24,),
            ),
            makes="StableDiffusionXLPipeline",
            denoiser="unet",
            denoiser_class="UNet2DConditionModel",
            architecture=ARCHITECTURE,
            published=Published(num_parameters=2_567_463_684, source="the hub's count, as others list it"),
            cell=Factors(frames=1, height=30, width=30),
            text_parameters=123_060_480 + 694_659_840,
        ),
    ),
    load=Loader(arguments=arguments, layout=PICTURES),
)
