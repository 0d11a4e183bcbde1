"""Tests of what all diffusers families share: adapters, refusals, cancelling, and too little memory."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_weights
import pytest
import torch
from safetensors.torch import save_file

from rushes.errors import InputError, RushesError, WeightsError
from rushes.models.open import Adaptation, Maker, Place, memory
from rushes.models.open import _catalogue as catalogue
from rushes.models.open._diffusers import library
from rushes.nn import lora
from rushes.types import Condition, GenerationRequest, VideoShape

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


def load(folder: Path, *adapters: Adaptation, request: GenerationRequest | None = None) -> Maker:
    found = catalogue.models()[NAME]
    place = Place(device="cpu", dtype="float32", threads=1, adapters=adapters, request=request)
    return found.family.load(found.checkpoint, folder, place)


def frames(maker: Maker, request: GenerationRequest = REQUEST) -> np.ndarray:
    return np.stack(list(maker.generate(request, lambda step, nothing: None)))


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


def test_what_the_model_cannot_make_is_refused_with_the_nearest(folder: Path, tmp_path: Path) -> None:
    maker = load(folder)
    for changed, said in (
        ({"shape": VideoShape(frames=6, height=32, width=32)}, "the nearest legal value is 5"),
        ({"shape": VideoShape(frames=5, height=30, width=32)}, "the nearest legal value is 32x32"),
        ({"fps": 24}, "the nearest legal value is 16"),
        ({"conditions": (Condition(kind="loop"),)}, "condition 'loop' is illegal for wan2.1-1.3b; legal: none"),
    ):
        with pytest.raises(InputError, match=said):
            frames(maker, replace(REQUEST, **changed))


def test_a_film_that_is_not_wanted_any_more_ends_at_once_and_the_next_is_whole(folder: Path) -> None:
    class Unwanted(Exception):  # noqa: N818
        pass

    def watch(step: int, nothing: object) -> None:
        raise Unwanted

    maker = load(folder)
    before = frames(maker)
    with pytest.raises(Unwanted):
        list(maker.generate(REQUEST, watch))
    assert np.array_equal(frames(maker), before)


def test_too_little_memory_is_said_before_anything_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    little = memory.Machine(device="cpu", device_bytes=1000, host_bytes=1000)
    monkeypatch.setattr(memory.Machine, "here", lambda device: little)
    with pytest.raises(RushesError) as caught:
        load(folder, request=REQUEST)
    assert len(str(caught.value).splitlines()) == 1 and NAME in str(caught.value)


def test_the_library_is_there() -> None:
    assert library().WanPipeline
