"""AnimateDiff: motion layers that turn Stable Diffusion 1.5 or XL into a film model."""

from __future__ import annotations

from typing import Any

from rushes.models.open import Checkpoint, OpenFamily
from rushes.models.open._diffusers import Loader
from rushes.tiers import Native, Tier
from rushes.types import Factors, VideoShape


def _checkpoint(name: str, side: int, adapter: str, guidance: float, **more: Any) -> Checkpoint:
    shape = VideoShape(frames=16, height=side, width=side)
    return Checkpoint(
        name=name,
        native=Native(
            tier=Tier(name=name, shape=shape, fps=8, num_steps=25, guidance_scale=guidance),
            multiple_px=8,
            most_pixels=side * side * 3 // 2,
            step=1,
            most_frames=32,
            fps=(8,),
        ),
        parts=(("motion_adapter", f"guoyww/{adapter}"),),
        denoiser="unet",
        denoiser_class="UNetMotionModel",
        **more,
    )


SPEC = OpenFamily(
    name="animatediff",
    checkpoints=(
        _checkpoint(
            "animatediff-sd1.5",
            512,
            "animatediff-motion-adapter-v1-5-3",
            7.5,
            repo="stable-diffusion-v1-5/stable-diffusion-v1-5",
            licence="OpenRAIL-M",
            num_parameters=859_520_964 + 453_206_304,
            makes="AnimateDiffPipeline",
            based_on="StableDiffusionPipeline",
            cell=Factors(frames=1, height=24, width=24),
            text_parameters=123_060_480,
        ),
        _checkpoint(
            "animatediff-sdxl",
            1024,
            "animatediff-motion-adapter-sdxl-beta",
            8.0,
            repo="stabilityai/stable-diffusion-xl-base-1.0",
            licence="OpenRAIL++-M",
            num_parameters=2_567_463_684 + 237_000_000,
            makes="AnimateDiffSDXLPipeline",
            based_on="StableDiffusionXLPipeline",
            cell=Factors(frames=1, height=30, width=30),
            text_parameters=123_060_480 + 694_659_840,
        ),
    ),
    load=Loader(),
)
