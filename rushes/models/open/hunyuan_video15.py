"""HunyuanVideo-1.5 of Tencent: 8.3 billion parameters, guided by a guider of its own."""

from __future__ import annotations

from typing import Any

from rushes.models.open import Checkpoint, OpenFamily, Published
from rushes.models.open._diffusers import Loader, usual
from rushes.tiers import Native, Tier
from rushes.types import Factors, GenerationRequest, VideoShape

TEXT, PICTURE = "HunyuanVideo15Pipeline", "HunyuanVideo15ImageToVideoPipeline"
QWEN_AND_BYT5, SIGLIP = 7_615_616_512 + 219_000_000, 428_225_600
COUNTED = Published(num_parameters=8_326_608_160, source="the hub's count, as others list it")
# Its picture pipeline moves a size to one of its own; these stay what they are.
SIZES = {
    640: ((976, 416), (848, 480), (720, 544), (640, 640), (544, 736), (480, 832)),
    960: ((1424, 640), (1280, 720), (1088, 832), (960, 960), (832, 1104), (704, 1280)),
}


def arguments(pipe: Any, request: GenerationRequest) -> dict[str, Any]:
    """Return what its pipelines are called with: the guidance scale belongs to the guider, a picture has its size."""
    pipe.guider = pipe.guider.new(guidance_scale=request.guidance_scale)
    without = ("guidance_scale", "height", "width") if type(pipe).__name__ == PICTURE else ("guidance_scale",)
    return {name: value for name, value in usual(pipe, request).items() if name not in without}


def _checkpoint(name: str, repo: str, height: int, width: int, target: int) -> Checkpoint:
    """Return a checkpoint; those that begin with a picture have weights of their own."""
    shape, is_animated = VideoShape(frames=121, height=height, width=width), "i2v" in repo
    needs = {"conditions": ("first",), "needs": ("first",), "sizes": SIZES[target]} if is_animated else {}
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
            **needs,  # type: ignore[arg-type]
        ),
        makes="" if is_animated else TEXT,
        animates=PICTURE if is_animated else "",
        denoiser_class="HunyuanVideo15Transformer3DModel",
        architecture={"target_size": target},
        published=Published() if is_animated else COUNTED,
        cell=Factors(frames=4, height=16, width=16),
        text_parameters=QWEN_AND_BYT5 + (SIGLIP if is_animated else 0),
    )


SPEC = OpenFamily(
    name="hunyuan-video-1.5",
    checkpoints=(
        _checkpoint("hunyuan-video-1.5-480p", "480p_t2v", 480, 848, 640),
        _checkpoint("hunyuan-video-1.5-720p", "720p_t2v", 720, 1280, 960),
        _checkpoint("hunyuan-video-1.5-i2v-480p", "480p_i2v", 480, 848, 640),
        _checkpoint("hunyuan-video-1.5-i2v-720p", "720p_i2v", 720, 1280, 960),
    ),
    load=Loader(arguments=arguments),
)
