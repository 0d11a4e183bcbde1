"""Tests the table of accelerators: it is whole, it is physical, and it says what is wrong with a name."""

from __future__ import annotations

import pytest

from rushes.cluster import hardware
from rushes.errors import InputError


@pytest.mark.parametrize("name", hardware.GPUS)
def test_every_entry_is_physical(name: str) -> None:
    gpu = hardware.find(name)
    assert 0 < gpu.product_share <= 1 and 0 < gpu.sustained <= 1
    assert gpu.attention_flops < gpu.bf16_flops
    assert gpu.product_flops("bf16") <= gpu.bf16_flops
    assert gpu.network_rate <= gpu.link_rate
    assert gpu.node >= 1 and gpu.days_per_failure > 100


def test_an_unknown_name_gets_the_nearest_first() -> None:
    with pytest.raises(InputError, match="'h10'; known: h100"):
        hardware.find("h10")


def test_eight_bits_are_faster_where_they_exist() -> None:
    h100 = hardware.find("h100")
    assert h100.product_flops("fp8") > 1.5 * h100.product_flops("bf16")
    with pytest.raises(InputError, match=r"legal: bf16$"):
        hardware.find("a100").product_flops("fp8")
