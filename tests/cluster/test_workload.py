"""Tests the arithmetic of a sample against figures that papers give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushes.cluster import workload
from rushes.errors import InputError
from rushes.types import VideoShape


@pytest.mark.parametrize(
    ("name", "billions"),
    [("wan-14b", 14.0), ("movie-gen-30b", 30), ("step-video-30b", 30), ("llama-8b", 8.03), ("llama-405b", 405)],
)
def test_weights_are_those_of_the_papers(name: str, billions: float) -> None:
    assert workload.find(name).weights / 1e9 == pytest.approx(billions, rel=0.05)


@pytest.mark.parametrize(
    ("name", "shape", "tokens"),
    [
        ("open-sora-11b", VideoShape(frames=129, height=768, width=768), 76032 + 512),  # Open-Sora 2.0, table 5
        ("open-sora-11b", VideoShape(frames=33, height=256, width=256), 2304 + 512),  # table 4
        ("movie-gen-30b", VideoShape(frames=249, height=768, width=768), 73_728),  # "73K"
    ],
)
def test_tokens_are_those_of_the_papers(name: str, shape: VideoShape, tokens: int) -> None:
    assert workload.sample_tokens(workload.find(name), shape) == tokens


def test_llama_takes_the_flops_of_its_paper() -> None:
    model = workload.find("llama-405b")
    assert 15.6e12 / 8192 * model.flops(8192) == pytest.approx(3.8e25, rel=0.06)


@given(st.integers(1, 100_000))
def test_attention_grows_with_the_square(tokens: int) -> None:
    model = workload.find("wan-14b")
    assert model.attention_flops(2 * tokens) == pytest.approx(4 * model.attention_flops(tokens))
    assert model.product_flops(2 * tokens) == pytest.approx(2 * model.product_flops(tokens))


def test_a_model_of_ones_own_has_the_weights_asked_for() -> None:
    assert workload.own(14.0, 5120, 40).weights == pytest.approx(14e9, rel=1e-3)
    with pytest.raises(InputError, match=r"nearest legal value is 8\.56"):
        workload.own(1.0, 5120, 40)


def test_too_long_a_film_is_refused() -> None:
    with pytest.raises(InputError, match="the most that can be planned"):
        workload.sample_tokens(workload.find("wan-14b"), VideoShape(frames=100_000, height=4320, width=7680))
