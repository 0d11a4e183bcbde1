"""LTX-2 of Lightricks: one transformer for picture and sound, of which we keep the picture."""

from __future__ import annotations

from typing import Any

from rushes.models.open import Checkpoint, OpenFamily, Published
from rushes.models.open._diffusers import Loader, usual
from rushes.models.open._latents import PACKED
from rushes.tiers import Native, Tier
from rushes.types import Factors, GenerationRequest, VideoShape

GEMMA = 12_187_325_040
PLAIN = {
    **{"stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0, "use_cross_timestep": False},
    **{"audio_stg_scale": 0.0, "audio_modality_scale": 1.0, "audio_guidance_rescale": 0.0},
}


def arguments(pipe: Any, request: GenerationRequest) -> dict[str, Any]:
    """Return what its pipelines are called with: plain guidance alone, two passes a step; the rest is of LTX-2.5."""
    return usual(pipe, request) | PLAIN | {"frame_rate": request.fps, "audio_guidance_scale": request.guidance_scale}


SPEC = OpenFamily(
    name="ltx2",
    checkpoints=(
        Checkpoint(
            name="ltx-2-19b",
            repo="Lightricks/LTX-2",
            licence="LTX-2 community (free below 10 M$ a year)",
            num_parameters=18_876_174_592,
            native=Native(
                tier=Tier(
                    name="ltx-2-19b",
                    shape=VideoShape(frames=121, height=512, width=768),
                    fps=24,
                    num_steps=40,
                    guidance_scale=4.0,
                ),
                multiple_px=32,
                most_pixels=1920 * 1088,
                step=8,
                most_frames=257,
                fps=(24, 25, 30, 48, 50),
                conditions=("first",),
            ),
            makes="LTX2Pipeline",
            animates="LTX2ImageToVideoPipeline",
            denoiser_class="LTX2VideoTransformer3DModel",
            architecture={"num_layers": 48},
            published=Published(num_parameters=18_876_174_592, source="the hub's count, as others list it"),
            cell=Factors(frames=8, height=32, width=32),
            text_parameters=GEMMA,
        ),
    ),
    load=Loader(arguments=arguments, layout=PACKED, is_taught=False),
)
