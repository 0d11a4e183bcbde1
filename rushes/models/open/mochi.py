"""Mochi 1 of Genmo: an asymmetric transformer of ten billion parameters."""

from __future__ import annotations

from rushes.models.open import Checkpoint, OpenFamily
from rushes.models.open._diffusers import Loader
from rushes.tiers import Native, Tier
from rushes.types import Factors, VideoShape

T5 = 4_762_310_656

SPEC = OpenFamily(
    name="mochi",
    checkpoints=(
        Checkpoint(
            name="mochi-1",
            repo="genmo/mochi-1-preview",
            licence="Apache-2.0",
            num_parameters=10_027_677_744,
            native=Native(
                tier=Tier(
                    name="mochi-1",
                    shape=VideoShape(frames=85, height=480, width=848),
                    fps=30,
                    num_steps=64,
                    guidance_scale=4.5,
                ),
                multiple_px=16,
                most_pixels=848 * 480,
                step=6,
                most_frames=163,
                fps=(30,),
            ),
            makes="MochiPipeline",
            denoiser_class="MochiTransformer3DModel",
            architecture={"num_layers": 48},
            cell=Factors(frames=6, height=16, width=16),
            text_parameters=T5,
            float32=("vae",),
        ),
    ),
    load=Loader(),
)
