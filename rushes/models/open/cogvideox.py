"""CogVideoX of Zhipu AI: an expert transformer that reads the text and the film as one sequence."""

from __future__ import annotations

from rushes.models.open import Checkpoint, OpenFamily
from rushes.models.open._diffusers import Loader
from rushes.models.open._latents import TURNED
from rushes.tiers import Native, Tier
from rushes.types import VideoShape

TEXT, PICTURE = "CogVideoXPipeline", "CogVideoXImageToVideoPipeline"
T5 = 4_762_310_656  # parameters of the T5-XXL encoder
FIVE = {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True}
_NEWER = {"patch_size_t": 2, "patch_bias": False, "sample_height": 300, "sample_width": 300, "sample_frames": 81}
LATER = FIVE | _NEWER
LICENCE = "CogVideoX (free for research; firms register)"


def _first(name: str, **more: object) -> Native:
    """Return what the checkpoints of the first release take: one size, six seconds."""
    shape = VideoShape(frames=49, height=480, width=720)
    tier = Tier(name=name, shape=shape, fps=8, num_steps=50, guidance_scale=6.0)
    given = {"multiple_px": 16, "most_pixels": 720 * 480, "step": 8, "most_frames": 49, "fps": (8,)}
    return Native(tier=tier, sizes=((720, 480),), **(given | more))  # type: ignore[arg-type]


def _second(name: str, **more: object) -> Native:
    """Return what the checkpoints of version 1.5 take."""
    shape = VideoShape(frames=81, height=768, width=1360)
    tier = Tier(name=name, shape=shape, fps=16, num_steps=50, guidance_scale=6.0)
    given = {"multiple_px": 16, "most_pixels": 1360 * 768, "step": 16, "most_frames": 161, "fps": (16,)}
    return Native(tier=tier, **(given | more))  # type: ignore[arg-type]


def _checkpoint(name: str, repo: str, native: Native, num_parameters: int, **more: object) -> Checkpoint:
    given = {"licence": LICENCE, "text_parameters": T5, "makes": TEXT, "denoiser_class": "CogVideoXTransformer3DModel"}
    return Checkpoint(name=name, repo=f"zai-org/{repo}", native=native, num_parameters=num_parameters, **(given | more))  # type: ignore[arg-type]


_PICTURE = {"conditions": ("first",), "needs": ("first",)}

SPEC = OpenFamily(
    name="cogvideox",
    checkpoints=(
        _checkpoint(
            "cogvideox-2b",
            "CogVideoX-2b",
            _first("cogvideox-2b"),
            1_693_783_872,
            licence="Apache-2.0",
            architecture={"num_attention_heads": 30, "num_layers": 30, "use_rotary_positional_embeddings": False},
        ),
        _checkpoint(
            "cogvideox-5b",
            "CogVideoX-5b",
            _first("cogvideox-5b"),
            5_570_283_072,
            architecture=FIVE | {"in_channels": 16},
        ),
        _checkpoint(
            "cogvideox-5b-i2v",
            "CogVideoX-5b-I2V",
            _first("cogvideox-5b-i2v", **_PICTURE),
            5_570_479_680,
            makes="",
            animates=PICTURE,
            architecture=FIVE | {"in_channels": 32, "use_learned_positional_embeddings": True},
        ),
        _checkpoint(
            "cogvideox1.5-5b",
            "CogVideoX1.5-5B",
            _second("cogvideox1.5-5b"),
            5_570_676_352,
            architecture=LATER | {"in_channels": 16},
        ),
        _checkpoint(
            "cogvideox1.5-5b-i2v",
            "CogVideoX1.5-5B-I2V",
            _second("cogvideox1.5-5b-i2v", **_PICTURE),
            5_571_594_880,
            makes="",
            animates=PICTURE,
            architecture=LATER | {"in_channels": 32, "ofs_embed_dim": 512},
        ),
    ),
    load=Loader(layout=TURNED),
)
