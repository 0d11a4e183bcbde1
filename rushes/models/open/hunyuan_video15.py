"""HunyuanVideo-1.5 of Tencent: 8.3 billion parameters, guided by a guider of its own."""

from __future__ import annotations

from typing import Any

from rushes.models.open import Checkpoint, OpenFamily, Published
from rushes.models.open._diffusers import Loader, usual
from rushes.tiers import Native, Tier
from rushes.types import Factors, GenerationRequest, VideoShape

QWEN_AND_BYT5 = 7_615_616_512 + 219_000_000


def arguments(pipe: Any, request: GenerationRequest) -> dict[str, Any]:
    """Return what its pipeline is called with; the guidance scale belongs to the guider."""
    pipe.guider = pipe.guider.new(guidance_scale=request.guidance_scale)
    given = usual(pipe, request)
    return {name: value for name, value in given.items() if name != "guidance_scale"}


def _checkpoint(name: str, repo: str, height: int, width: int, target: int) -> Checkpoint:
    shape = VideoShape(frames=121, height=height, width=width)
    return Checkpoint(
        name=name,
        repo=f"hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-{repo}",
        licence="Tencent Hunyuan (not in the EU, UK, South Korea)",
        num_parameters=8_326_608_160,
        native=Native(
            tier=Tier(name=name, shape=shape, fps=24, num_steps=50, guidance_scale=6.0),
            multiple_px=16,
            most_pixels=height * width,
            step=4,
            most_frames=121,
            fps=(24,),
        ),
        makes="HunyuanVideo15Pipeline",
        denoiser_class="HunyuanVideo15Transformer3DModel",
        architecture={"target_size": target},
        published=Published(num_parameters=8_326_608_160, source="the hub's count, as others list it"),
        cell=Factors(frames=4, height=16, width=16),
        text_parameters=QWEN_AND_BYT5,
        has_lora=False,
    )


SPEC = OpenFamily(
    name="hunyuan-video-1.5",
    checkpoints=(
        _checkpoint("hunyuan-video-1.5-480p", "480p_t2v", 480, 848, 640),
        _checkpoint("hunyuan-video-1.5-720p", "720p_t2v", 720, 1280, 960),
    ),
    load=Loader(arguments=arguments),
)
