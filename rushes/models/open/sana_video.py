"""SANA-Video of NVIDIA: linear attention, so that a film costs no more than its length."""

from __future__ import annotations

from typing import Any

from rushes.models.open import Checkpoint, OpenFamily
from rushes.models.open._diffusers import Loader, usual
from rushes.tiers import Native, Tier
from rushes.types import GenerationRequest, VideoShape

GEMMA = 2_614_341_888
ARCHITECTURE = {
    **{"in_channels": 16, "out_channels": 16, "num_attention_heads": 20, "attention_head_dim": 112, "num_layers": 20},
    **{"num_cross_attention_heads": 20, "cross_attention_head_dim": 112, "cross_attention_dim": 2240},
    **{"caption_channels": 2304, "mlp_ratio": 3.0, "qk_norm": "rms_norm_across_heads", "sample_size": 30},
}


def arguments(pipe: Any, request: GenerationRequest) -> dict[str, Any]:
    """Return what its pipelines are called with; they would move a size to one of their own."""
    given = usual(pipe, request) | {"negative_prompt": request.negative_prompt, "use_resolution_binning": False}
    return {"frames" if name == "num_frames" else name: value for name, value in given.items()}


SPEC = OpenFamily(
    name="sana-video",
    checkpoints=(
        Checkpoint(
            name="sana-video-2b",
            repo="Efficient-Large-Model/SANA-Video_2B_480p_diffusers",
            licence="NVIDIA open model (see the repository)",
            num_parameters=2_056_862_144,
            native=Native(
                tier=Tier(
                    name="sana-video-2b",
                    shape=VideoShape(frames=81, height=480, width=832),
                    fps=16,
                    num_steps=50,
                    guidance_scale=6.0,
                ),
                multiple_px=32,
                most_pixels=832 * 480,
                step=4,
                most_frames=81,
                fps=(16,),
                conditions=("first",),
            ),
            makes="SanaVideoPipeline",
            animates="SanaImageToVideoPipeline",
            denoiser_class="SanaVideoTransformer3DModel",
            architecture=ARCHITECTURE,
            text_parameters=GEMMA,
            float32=("vae",),
        ),
    ),
    load=Loader(arguments=arguments),
)
