"""Tests of the shared attention and MLP against formulas written out."""

import math

import torch
from torch import Tensor

from rushes.nn.attention import (
    GatedMLP,
    SelfAttention,
    join_heads,
    modulate,
    rms,
    scaled_rms,
    split_heads,
    timestep_features,
)


def normalised(x: Tensor) -> Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()


def test_rms_norm() -> None:
    x = torch.randn(2, 3, 8) * 5
    assert torch.allclose(rms(x), normalised(x), atol=1e-6)


def test_rms_norm_with_a_gain_per_row() -> None:
    x, gain = torch.randn(2, 3, 2, 8) * 5, torch.tensor([[1.5], [1.0]])
    assert torch.allclose(scaled_rms(x, gain), normalised(x) * gain, atol=1e-6)
    assert torch.equal(scaled_rms(torch.zeros(1, 2, 4), gain), torch.zeros(1, 2, 4))
    low = scaled_rms(x.to(torch.bfloat16), gain)
    assert low.dtype == torch.bfloat16 and (low.float() - scaled_rms(x, gain)).abs().max() < 0.05


def test_modulation_is_the_formula() -> None:
    x, shift, scale = torch.randn(2, 3, 8), torch.randn(2, 1, 8), torch.randn(2, 1, 8)
    assert torch.allclose(modulate(x, shift, scale), normalised(x) * (1 + scale) + shift, atol=1e-5)


def test_heads_split_and_join() -> None:
    x = torch.randn(2, 5, 12)
    heads = split_heads(x, 3)
    assert heads.shape == (2, 3, 5, 4)
    assert torch.equal(heads[1, 2, 4], x[1, 4, 8:12])
    assert torch.equal(join_heads(heads), x)


def test_self_attention_is_the_formula() -> None:
    torch.manual_seed(0)
    layer, x = SelfAttention(8, 2), torch.randn(2, 5, 8)
    weights = layer.qkv.weight.view(3, 2, 4, 8)  # part, head, head width, width
    q, k, v = (torch.einsum("bnd,hed->bhne", x, part) for part in weights)
    shares = (normalised(q) @ normalised(k).mT / math.sqrt(4)).softmax(-1)
    dense = (shares @ v).permute(0, 2, 1, 3).flatten(2) @ layer.out.weight.T
    assert torch.allclose(layer(x), dense, atol=1e-5)


def test_gated_mlp_is_the_formula() -> None:
    torch.manual_seed(0)
    layer, x = GatedMLP(6, 10), torch.randn(3, 6)
    gate, up = x @ layer.into.weight[:10].T, x @ layer.into.weight[10:].T
    assert torch.allclose(layer(x), (gate * torch.sigmoid(gate) * up) @ layer.out.weight.T, atol=1e-6)


def test_timestep_features_tell_times_apart() -> None:
    times = torch.linspace(0, 1, 101)
    features = timestep_features(times, 64)
    assert features.shape == (101, 64) and features.dtype == torch.float32
    assert torch.allclose(features[0], torch.cat((torch.ones(32), torch.zeros(32))))
    distances = torch.cdist(features, features) + torch.eye(101) * 100
    assert distances.min() > 0.1
