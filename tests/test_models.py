"""Tests of the contract of model files: every one exports a family that builds, tiny and full."""

import pytest
import torch

from rushes import registry
from rushes.config import from_dict, to_dict
from rushes.models import Family

NAMES = registry.names("models")


@pytest.mark.parametrize("name", NAMES)
def test_every_model_file_exports_a_family(name: str) -> None:
    family = registry.find("models", name)
    assert isinstance(family, Family)
    for config in (family.full(), family.tiny()):
        assert isinstance(config, family.config)
        assert from_dict(family.config, to_dict(config)) == config


@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_model_is_small_and_repeats_from_its_seed(name: str) -> None:
    family = registry.find("models", name)
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        states.append(family.model(family.tiny()).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))
    assert sum(tensor.numel() for tensor in states[0].values()) < 150_000
