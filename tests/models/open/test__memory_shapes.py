"""Tests that what lives at once is added up from shapes alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import open_weights
import pytest
import torch
from torch import nn

from rushes.models.open import _hotshot_unet
from rushes.models.open import _memory_shapes as shapes

MEGA = 1_000_000


class Chain(nn.Module):
    """Three layers; two activations live at once, and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(1000, 1000) for _ in range(3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@pytest.fixture(scope="module")
def wan_vae() -> dict[str, Any]:
    return {**open_weights.wan_vae().config, "_class_name": "AutoencoderKLWan"}


def test_what_lives_at_once_is_added_up_and_weights_are_not() -> None:
    most = shapes.traced(Chain, lambda model: model(torch.empty(1000, 1000)), torch.float32)
    assert most == pytest.approx(3 * 4 * MEGA, rel=0.01)  # the input, and a layer's own two


def test_fused_attention_holds_no_table_of_pairs() -> None:
    query = torch.empty(1, 1, 10_000, 8, device="meta")
    most = shapes.traced(
        nn.Identity, lambda model: nn.functional.scaled_dot_product_attention(query, query, query), torch.float32
    )
    assert most < MEGA


def test_painting_takes_more_for_more_pixels_and_less_in_tiles(wan_vae: dict[str, Any]) -> None:
    small = shapes.painter(wan_vae, (1, 16, 2, 8, 8), torch.float32)
    large = shapes.painter(wan_vae, (1, 16, 2, 16, 16), torch.float32)
    assert 3 * small < large < 5 * small
    assert shapes.painter(wan_vae, (1, 16, 2, 16, 16), torch.bfloat16) < 0.7 * large
    wide = (1, 16, 1, 48, 48)
    assert shapes.painter(wan_vae, wide, torch.float32, is_tiled=True) < shapes.painter(wan_vae, wide, torch.float32)


def test_a_causal_decoder_is_traced_over_a_few_frames(wan_vae: dict[str, Any]) -> None:
    assert shapes.few(wan_vae, (1, 16, 21, 8, 8)) == (1, 16, 5, 8, 8)
    assert shapes.few(wan_vae, (1, 16, 12, 8, 8)) == (1, 16, 4, 8, 8)
    assert shapes.few({"_class_name": "AutoencoderKLLTXVideo"}, (1, 8, 21, 8, 8)) == (1, 8, 21, 8, 8)


def test_cells_are_counted_by_the_real_class(wan_vae: dict[str, Any]) -> None:
    picture = {**open_weights.picture_vae().config, "_class_name": "AutoencoderKL"}
    assert shapes.factors(wan_vae) == (4, 8) and shapes.is_film(wan_vae)
    assert shapes.factors(picture) == (1, 8) and not shapes.is_film(picture)


def test_a_unet_takes_as_much_for_a_film_as_its_frames_do() -> None:
    config = _hotshot_unet.tiny()
    says = dataclasses.asdict(config) | {"_class_name": "UNet3DConditionModel"}
    one = shapes.network(says, (1, 4, 16, 16), torch.float32, 1)
    film = shapes.network(says, (8, 4, 16, 16), torch.float32, 8)
    assert 8 * one < film < 20 * one  # frames together see each other besides


def test_a_transformer_takes_what_its_tokens_do() -> None:
    says = {"num_attention_heads": 8, "attention_head_dim": 64, "ffn_dim": 2048}
    one = shapes.transformer(says, 1000, 1, 4)
    assert one == 1000 * (4 * 512 * 4 + 2 * 2048 * 4)
    assert shapes.transformer(says, 2000, 2, 4) == 4 * one


def test_a_text_encoder_holds_its_table_of_pairs() -> None:
    says = {"d_model": 512, "d_ff": 2048, "num_heads": 8}
    assert shapes.text(says, 512, 1, 4) > 3 * 8 * 512**2 * 4
    assert shapes.text({"text_config": says}, 512, 1, 4) == shapes.text(says, 512, 1, 4)
