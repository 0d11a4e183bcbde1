"""LTX-Video of Lightricks: a strongly compressing autoencoder, so that a film has few tokens."""

from __future__ import annotations

from typing import Any

from rushes.models.open import Checkpoint, OpenFamily, Published
from rushes.models.open._diffusers import Loader, usual
from rushes.models.open._latents import PACKED
from rushes.tiers import Native, Tier
from rushes.types import Factors, GenerationRequest, VideoShape

T5 = 4_762_310_656
COUNTED = Published(num_parameters=1_923_385_472, source="the training logs of finetrainers")


def arguments(pipe: Any, request: GenerationRequest) -> dict[str, Any]:
    """Return what its pipelines are called with: they are told the rate, and clean up while they paint."""
    return usual(pipe, request) | {"frame_rate": request.fps, "decode_timestep": 0.05, "decode_noise_scale": 0.025}


def _checkpoint(name: str, repo: str, published: Published, num_parameters: int, **architecture: object) -> Checkpoint:
    shape = VideoShape(frames=121, height=480, width=704)
    return Checkpoint(
        name=name,
        repo=f"Lightricks/{repo}",
        licence="LTX-Video open weights (free below 10 M$ a year)",
        num_parameters=num_parameters,
        native=Native(
            tier=Tier(name=name, shape=shape, fps=24, num_steps=50, guidance_scale=3.0),
            multiple_px=32,
            most_pixels=1280 * 720,
            step=8,
            most_frames=257,
            fps=tuple(range(8, 61)),
            conditions=("first",),
        ),
        makes="LTXPipeline",
        animates="LTXImageToVideoPipeline",
        denoiser_class="LTXVideoTransformer3DModel",
        architecture=architecture,
        published=published,
        cell=Factors(frames=8, height=32, width=32),
        text_parameters=T5,
    )


SPEC = OpenFamily(
    name="ltx-video",
    checkpoints=(
        _checkpoint("ltx-video-2b", "LTX-Video", COUNTED, 1_923_385_472, num_layers=28, attention_head_dim=64),
        _checkpoint(
            "ltx-video-13b",
            "LTX-Video-0.9.7-dev",
            Published(),
            13_042_569_344,
            num_layers=48,
            attention_head_dim=128,
            cross_attention_dim=4096,
        ),
    ),
    load=Loader(arguments=arguments, layout=PACKED),
)
