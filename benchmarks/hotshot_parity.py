"""Is our network of Hotshot-XL the published one? Builds both beside each other and compares keys, shapes and outputs.

    python benchmarks/hotshot_parity.py PATH_TO_PUBLISHED_CODE

The published code was written for a diffusers of 2023; the names that have moved since are put back where it looks
for them. What it finds is printed as the numbers that tests/models/open/test__hotshot_unet.py keeps.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import sys
import types
from dataclasses import asdict
from pathlib import Path

import click
import torch
from diffusers.models import resnet
from diffusers.models.transformers import transformer_2d
from functorch.einops import rearrange
from torch import Tensor, nn

from rushes.models.open._hotshot_unet import HotshotConfig, build, tiny

FRAMES, SIDE, TOKENS = 4, 16, 5


class ScaledConv(nn.Conv2d):
    """A convolution that is told the scale of an adapter that it has not."""

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        return super().forward(x)


def find_published(folder: Path) -> None:
    """Let the published code in `folder` be imported, and find what it imports."""
    moved = types.ModuleType("diffusers.models.transformer_2d")
    moved.Transformer2DModel = transformer_2d.Transformer2DModel  # type: ignore[attr-defined]
    sys.modules[moved.__name__] = moved
    resnet.LoRACompatibleConv = ScaledConv  # type: ignore[attr-defined]
    if importlib.util.find_spec("einops") is None:  # torch brings one half of it; the other is needed in one form
        patterns = types.ModuleType("einops")
        patterns.rearrange = rearrange  # type: ignore[attr-defined]
        patterns.repeat = lambda x, _, f: x.repeat_interleave(f, dim=0)  # type: ignore[attr-defined]
        sys.modules["einops"] = patterns
    sys.path.insert(0, str(folder))


def published(config: HotshotConfig) -> nn.Module:
    """Return the published network with the sizes of `config`, freshly initialised."""
    from hotshot_xl.models.unet import UNet3DConditionModel

    sizes = asdict(config)
    del sizes["time_cond_proj_dim"]
    return UNet3DConditionModel(
        **sizes,
        down_block_types=("DownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D"),
        up_block_types=("CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "UpBlock3D"),
        use_linear_projection=True,
        addition_embed_type="text_time",
    )


def digest(model: nn.Module) -> tuple[int, str, int]:
    """Return how many keys, the SHA-256 of the sorted (key, shape) list, and how many numbers in all."""
    shapes = sorted((name, list(tensor.shape)) for name, tensor in model.state_dict().items())
    text = json.dumps(shapes, separators=(",", ":"))
    return len(shapes), hashlib.sha256(text.encode()).hexdigest(), sum(math.prod(shape) for _, shape in shapes)


def numbered(model: nn.Module) -> nn.Module:
    """Fill every parameter from its name and place, so that two networks of the same keys get the same numbers."""
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
            random = torch.Generator().manual_seed(seed)
            spread = 1.0 / math.sqrt(max(1, parameter[0].numel())) if parameter.dim() > 1 else 0.2
            offset = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            parameter.copy_(torch.randn(parameter.shape, generator=random) * spread + offset)
    return model.eval()


def question(config: HotshotConfig) -> dict[str, Tensor]:
    """Return one fixed input for two films: latents `[b c f h w]`, text, pooled text, sizes."""
    random = torch.Generator().manual_seed(11)
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    return {
        "latent": torch.randn(2, 4, FRAMES, SIDE, 2 * SIDE, generator=random),
        "text": torch.randn(2, TOKENS, config.cross_attention_dim, generator=random),
        "pooled": torch.randn(2, pooled, generator=random),
        "sizes": torch.tensor([[1920.0, 1080, 0, 0, 512, 512], [512, 512, 0, 0, 512, 512]]),
    }


@torch.inference_mode()
def theirs(model: nn.Module, asked: dict[str, Tensor]) -> Tensor:
    """Return the published network's answer `[b c f h w]`."""
    added = {"text_embeds": asked["pooled"], "time_ids": asked["sizes"]}
    answer = model(asked["latent"], 500, encoder_hidden_states=asked["text"], added_cond_kwargs=added)
    return answer.sample


@torch.inference_mode()
def ours(model: nn.Module, asked: dict[str, Tensor]) -> Tensor:
    """Return our network's answer, in the published one's arrangement `[b c f h w]`."""
    films, _, frames = asked["latent"].shape[:3]
    each = {name: asked[name].repeat_interleave(frames, dim=0) for name in ("text", "pooled", "sizes")}
    folded = asked["latent"].transpose(1, 2).flatten(0, 1)
    added = {"text_embeds": each["pooled"], "time_ids": each["sizes"]}
    (answer,) = model(folded, 500, each["text"], added, cross_attention_kwargs={"num_frames": frames})
    return answer.unflatten(0, (films, frames)).transpose(1, 2)


def golden(answer: Tensor) -> dict[str, float | list[float]]:
    """Return the numbers by which a test knows an answer again."""
    few = answer.flatten()[:: answer.numel() // 12][:12]
    return {"mean": answer.mean().item(), "deviation": answer.std().item(), "few": [round(x, 6) for x in few.tolist()]}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Compare with the published code in FOLDER (the repository hotshotco/Hotshot-XL)."""
    find_published(folder)
    with torch.device("meta"):
        full = HotshotConfig()
        mine, original = digest(build(full)), digest(published(full))
    print(f"real size: ours {mine[0]} keys, {mine[2]:,} numbers, sha256 {mine[1]}")
    print(f"published: {original[0]} keys, {original[2]:,} numbers, sha256 {original[1]}")
    assert mine == original, "the keys or shapes differ"
    asked = question(tiny())
    one, other = numbered(build(tiny())), numbered(published(tiny()))
    assert digest(one) == digest(other), "the keys or shapes of the tiny network differ"
    answers = ours(one, asked), theirs(other, asked)
    print(f"tiny: largest difference {(answers[0] - answers[1]).abs().max():.2e} in numbers of {golden(answers[1])}")
    torch.testing.assert_close(*answers, rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    main()
