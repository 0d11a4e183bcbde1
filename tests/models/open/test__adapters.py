"""Tests of adapters of open-weight models: added by their scale, refused where they do not fit, taught and saved."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import open_weights
import pytest
import torch
from safetensors.torch import load_file, save_file

from rushes.errors import InputError, WeightsError
from rushes.models.open import Adaptation, Maker, Place
from rushes.models.open import _adapters as adapters
from rushes.models.open import _catalogue as catalogue
from rushes.nn import lora
from rushes.nn.lora import LoraConfig
from rushes.types import GenerationRequest, VideoShape

NAME = "wan2.1-1.3b"
REQUEST = GenerationRequest(
    prompt="a red boat",
    model=NAME,
    shape=VideoShape(frames=5, height=32, width=32),
    fps=16,
    num_steps=2,
    guidance_scale=5.0,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return open_weights.save(NAME, tmp_path_factory.mktemp("weights"))


def load(folder: Path, *given: Adaptation) -> Maker:
    found = catalogue.models()[NAME]
    return found.family.load(found.checkpoint, folder, Place(device="cpu", dtype="float32", threads=1, adapters=given))


def frames(maker: Maker) -> np.ndarray:
    return np.stack(list(maker.generate(REQUEST, lambda step, nothing: None)))


def adapter(path: Path, width: int = 24, layer: str = "blocks.0.attn1.to_q") -> Path:
    """Write an adapter of one layer, as diffusers writes them."""
    random = torch.Generator().manual_seed(0)
    pair = {"lora_A": torch.randn(2, width, generator=random), "lora_B": torch.randn(width, 2, generator=random)}
    save_file({f"transformer.{layer}.{name}.weight": tensor for name, tensor in pair.items()}, path)
    return path


def test_an_adapter_changes_the_film_by_its_scale_and_is_named(folder: Path, tmp_path: Path) -> None:
    path = adapter(tmp_path / "style.safetensors")
    plain, strong = load(folder), load(folder, Adaptation(path=path))
    none = load(folder, Adaptation(path=path, scale=0))
    assert not np.array_equal(frames(plain), frames(strong))
    assert np.array_equal(frames(plain), frames(none))
    assert strong.hashes["lora"].endswith(":1") and "lora" not in plain.hashes


def test_adapters_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    wrong = {
        adapter(tmp_path / "wide.safetensors", width=32): "was made for another base than wan2.1-1.3b",
        adapter(tmp_path / "deep.safetensors", layer="blocks.9.attn1.to_q"): "was made for another base",
        adapter(tmp_path / "unet.safetensors", layer="mid.attn"): "was made for another base",
        tmp_path / "none.safetensors": "there is no adapter",
    }
    (tmp_path / "old.bin").write_bytes(pickle.dumps({}))
    wrong[tmp_path / "old.bin"] = "is a pickle"
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "wide.safetensors").read_bytes()[:-9])
    wrong[tmp_path / "cut.safetensors"] = "is truncated"
    save_file({"a": torch.zeros(2)}, tmp_path / "weights.safetensors")
    wrong[tmp_path / "weights.safetensors"] = "is no adapter"
    ours = lora.Adapter(config=lora.LoraConfig(rank=1), base="b", tensors={"x.down": torch.zeros(1, 2)})
    wrong[lora.save(ours, tmp_path / "ours.safetensors")] = "was made for Rushes' own film model"
    for path, said in wrong.items():
        with pytest.raises(WeightsError, match=said) as caught:
            load(folder, Adaptation(path=path))
        assert len(str(caught.value).splitlines()) == 1


def test_what_learns_is_apart_from_what_does_not(tmp_path: Path) -> None:
    denoiser = open_weights.wan_transformer()
    config = LoraConfig(rank=2, alpha=4.0, targets=("*.attn1.to_q",))
    adapters.attach(denoiser, config, only_stills=False)
    taught = adapters.Taught(denoiser)
    assert len(list(taught.parameters())) == 4 < len(list(denoiser.parameters()))
    other = adapters.Taught(denoiser)
    other.load_state_dict({name: torch.ones_like(each) for name, each in taught.named_parameters()})
    path = adapters.save(other, tmp_path / "a.safetensors", config, denoiser="transformer", base="b", facts={})
    tensors = load_file(path)
    assert set(tensors) == {f"transformer.blocks.{n}.attn1.to_q.lora_{m}.weight" for n in range(2) for m in "AB"}
    assert all(bool((each == (2.0 if ".lora_B." in name else 1.0)).all()) for name, each in tensors.items())
    with pytest.raises(InputError, match="names no linear layer; known: blocks"):
        adapters.attach(denoiser, LoraConfig(rank=2, targets=("*.attn3.to_q",)), only_stills=False)
