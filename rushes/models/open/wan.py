"""Wan 2.1 and 2.2 of Alibaba: one transformer, or two that share the steps, over a causal video autoencoder."""

from __future__ import annotations

from rushes.models.open import Checkpoint, OpenFamily, Published
from rushes.models.open._diffusers import Loader
from rushes.tiers import Native, Tier
from rushes.types import Factors, VideoShape

TEXT, PICTURE = "WanPipeline", "WanImageToVideoPipeline"
UMT5 = 5_680_910_336  # parameters of the UMT5-XXL encoder that all of them read with
P480, P720 = 832 * 480, 1280 * 720
IMAGE, ENDS = 16_394_878_784, 16_395_536_704  # parameters of the transformers that read a picture
INDEX = "the index file of the repository"
_SAME = {"qk_norm": "rms_norm_across_heads", "cross_attn_norm": True, "text_dim": 4096}
SMALL = _SAME | {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30, "in_channels": 16, "out_channels": 16}
LARGE = _SAME | {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40, "in_channels": 16, "out_channels": 16}
FIVE = _SAME | {"num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30, "in_channels": 48, "out_channels": 48}
SEEING = LARGE | {"in_channels": 36}
READING = SEEING | {"image_dim": 1280, "added_kv_proj_dim": 5120}


def _native(name: str, most_pixels: int, steps: int, guidance: float, **more: object) -> Native:
    size = (480, 832) if most_pixels < P720 else (720, 1280)
    shape = VideoShape(frames=81, height=size[0], width=size[1])
    tier = Tier(name=name, shape=shape, fps=16, num_steps=steps, guidance_scale=guidance)
    given = {"multiple_px": 16, "most_pixels": most_pixels, "step": 4, "most_frames": 81, "fps": (16,)}
    return Native(tier=tier, **(given | more))  # type: ignore[arg-type]


def _checkpoint(name: str, repo: str, native: Native, **more: object) -> Checkpoint:
    given = {"licence": "Apache-2.0", "text_parameters": UMT5, "float32": ("vae",), "makes": TEXT}
    given["denoiser_class"] = "WanTransformer3DModel"
    return Checkpoint(name=name, repo=f"Wan-AI/{repo}", native=native, **(given | more))  # type: ignore[arg-type]


def _animated(name: str, repo: str, most_pixels: int) -> Checkpoint:
    """Return a checkpoint of Wan 2.1 that always begins with a picture."""
    native = _native(name, most_pixels, 50, 5.0, conditions=("first",), needs=("first",))
    return _checkpoint(name, repo, native, makes="", animates=PICTURE, num_parameters=IMAGE, architecture=READING)


_BOTH = {"conditions": ("first", "last"), "needs": ("first", "last")}
_TWO = {"conditions": ("first", "last"), "needs": ("first",)}
_FIVE_TIER = Tier(
    name="wan2.2-5b",
    shape=VideoShape(frames=121, height=704, width=1280),
    fps=24,
    num_steps=50,
    guidance_scale=5.0,
)

SPEC = OpenFamily(
    name="wan",
    checkpoints=(
        _checkpoint(
            "wan2.1-1.3b",
            "Wan2.1-T2V-1.3B-Diffusers",
            _native("wan2.1-1.3b", P480, 50, 5.0),
            num_parameters=1_418_996_800,
            architecture=SMALL,
            published=Published(num_parameters=1_418_996_800, source="counted by users of the checkpoint"),
        ),
        _checkpoint(
            "wan2.1-14b",
            "Wan2.1-T2V-14B-Diffusers",
            _native("wan2.1-14b", P720, 50, 5.0),
            num_parameters=14_288_491_584,
            architecture=LARGE,
            published=Published(num_tensors=1095, total_bytes=57_153_966_336, source=INDEX),
        ),
        _animated("wan2.1-i2v-14b-480p", "Wan2.1-I2V-14B-480P-Diffusers", P480),
        _animated("wan2.1-i2v-14b-720p", "Wan2.1-I2V-14B-720P-Diffusers", P720),
        _checkpoint(
            "wan2.1-flf2v-14b",
            "Wan2.1-FLF2V-14B-720P-diffusers",
            _native("wan2.1-flf2v-14b", P720, 50, 5.0, **_BOTH),
            num_parameters=ENDS,
            makes="",
            animates=PICTURE,
            architecture=READING | {"pos_embed_seq_len": 514},
        ),
        _checkpoint(
            "wan2.2-5b",
            "Wan2.2-TI2V-5B-Diffusers",
            Native(
                tier=_FIVE_TIER,
                multiple_px=32,
                most_pixels=1280 * 704,
                step=4,
                most_frames=121,
                fps=(24,),
                conditions=("first",),
            ),
            num_parameters=4_999_787_712,
            animates=PICTURE,
            architecture=FIVE,
            published=Published(num_tensors=825, total_bytes=19_999_150_848, source="the index, as others quote it"),
            cell=Factors(frames=4, height=32, width=32),
        ),
        _checkpoint(
            "wan2.2-a14b",
            "Wan2.2-T2V-A14B-Diffusers",
            _native("wan2.2-a14b", P720, 40, 4.0),
            num_parameters=14_288_491_584,
            num_denoisers=2,
            architecture=LARGE,
            published=Published(num_tensors=1095, total_bytes=57_153_966_336, source=INDEX),
        ),
        _checkpoint(
            "wan2.2-i2v-a14b",
            "Wan2.2-I2V-A14B-Diffusers",
            _native("wan2.2-i2v-a14b", P720, 40, 3.5, **_TWO),
            num_parameters=14_288_901_184,
            num_denoisers=2,
            makes="",
            animates=PICTURE,
            architecture=SEEING,
        ),
    ),
    load=Loader(),
)
