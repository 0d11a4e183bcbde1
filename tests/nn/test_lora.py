"""Tests of adapters: they begin at nothing, learn alone, and merge into the very same numbers."""

import copy
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from rushes.errors import InputError, WeightsError
from rushes.nn import lora
from rushes.nn.lora import LoraConfig, LoraLinear

CONFIG = LoraConfig(rank=2, alpha=4.0, targets=("blocks.*.first", "last"))


class Small(nn.Module):
    """Two blocks and an end."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.ModuleDict({"first": nn.Linear(6, 8, bias=False)}) for _ in range(2))
        self.last = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.blocks[0]["first"](x)) + self.blocks[1]["first"](x))


@pytest.fixture
def plain() -> Small:
    torch.manual_seed(1)
    return Small()


def taught(plain: Small) -> nn.Module:
    model = lora.attach(copy.deepcopy(plain), CONFIG)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for _ in range(5):
        x = torch.randn(4, 5, 6)
        optimizer.zero_grad()
        (model(x) - x[..., :3]).square().mean().backward()
        optimizer.step()
    return model


def test_an_adapter_begins_at_nothing(plain: Small) -> None:
    x = torch.randn(3, 6)
    assert torch.equal(lora.attach(copy.deepcopy(plain), CONFIG)(x), plain(x))


def test_only_adapters_learn_and_names_stay(plain: Small) -> None:
    model = taught(plain)
    own = plain.state_dict()
    assert set(own) <= set(model.state_dict())
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in own.items())
    moving = {name.rpartition(".")[2] for name, p in model.named_parameters() if p.requires_grad}
    assert moving == {"down", "up"}
    assert all(module.up.abs().sum() > 0 for module in model.modules() if isinstance(module, LoraLinear))


def test_gradients_are_those_of_the_plain_formula(plain: Small) -> None:
    layer = LoraLinear(plain.last.double(), CONFIG).double()
    layer.weight.requires_grad_(False)
    nn.init.normal_(layer.up)
    x = torch.randn(2, 3, 8, dtype=torch.float64, requires_grad=True)

    def work(x: torch.Tensor, down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        return lora._Adapted.apply(x, (layer.weight, layer.bias), down, up, layer.scale)

    assert torch.autograd.gradcheck(work, (x, layer.down, layer.up))


def test_a_merged_model_is_the_taught_one_bit_for_bit(plain: Small, tmp_path: Path) -> None:
    model = taught(plain)
    path = lora.save(lora.adapter_of(model, CONFIG, base="abc", facts={"steps": 5}), tmp_path / "a.safetensors")
    adapter = lora.read(path)
    assert adapter.config == CONFIG and adapter.base == "abc" and adapter.facts == {"steps": 5}
    assert len(adapter.sha256) == 64 and [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]
    x = torch.randn(7, 6)
    with torch.no_grad():
        assert torch.equal(lora.merge(copy.deepcopy(plain), adapter)(x), model(x))
        half = lora.merge(copy.deepcopy(plain), adapter, 0.5)
        assert torch.allclose(2 * half.last.weight - plain.last.weight, summed(model, "last"), atol=1e-6)
        assert not torch.equal(half(x), model(x))
        assert torch.equal(lora.merge(copy.deepcopy(plain), adapter, 0.0)(x), plain(x))


def summed(model: nn.Module, name: str) -> torch.Tensor:
    layer = model.get_submodule(name)
    assert isinstance(layer, LoraLinear)
    return layer.weight + lora.difference(layer.down, layer.up, layer.scale)


def test_the_same_adapter_is_the_same_file(plain: Small, tmp_path: Path) -> None:
    adapter = lora.adapter_of(taught(plain), CONFIG, base="b")
    one, two = (lora.save(adapter, tmp_path / name).read_bytes() for name in ("1.safetensors", "2.safetensors"))
    assert one == two


def test_what_is_no_adapter_is_refused(plain: Small, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no adapter"):
        lora.read(tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("not at all")
    with pytest.raises(WeightsError, match="damaged"):
        lora.read(tmp_path / "text")
    lora.save_file({"x": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(WeightsError, match="no adapter that Rushes wrote"):
        lora.read(tmp_path / "foreign")
    whole = lora.save(lora.adapter_of(taught(plain), CONFIG, base="b"), tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:-9])
    with pytest.raises(WeightsError, match="damaged"):
        lora.read(tmp_path / "cut")


def test_an_adapter_of_other_weights_changes_nothing(plain: Small) -> None:
    adapter = lora.adapter_of(taught(plain), CONFIG, base="b")
    narrow = Small()
    narrow.last = nn.Linear(4, 3)
    before = copy.deepcopy(narrow.state_dict())
    with pytest.raises(WeightsError, match="last does not fit"):
        lora.merge(narrow, adapter)
    assert all(torch.equal(tensor, before[name]) for name, tensor in narrow.state_dict().items())
    with pytest.raises(WeightsError, match="empty"):
        lora.merge(narrow, replace(adapter, tensors={}))


def test_targets_that_name_nothing_are_refused(plain: Small) -> None:
    with pytest.raises(InputError, match=r"'blocks\.\*\.frist' names no linear layer; known: blocks\.[01]\.first"):
        lora.attach(plain, replace(CONFIG, targets=("last", "blocks.*.frist")))
    with pytest.raises(InputError, match="0"):
        LoraConfig(rank=-1)


def test_some_rows_learn_and_the_others_stay(tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = nn.ModuleDict({"words": nn.Embedding(5, 3), "last": nn.Linear(3, 2)})
    own = model["words"].weight.detach().clone()
    ids = torch.tensor([[0, 4, 2]])
    before = model["words"](ids).detach()
    model = lora.attach(model, replace(CONFIG, targets=("last",)))
    model["words"] = lora.LoraEmbedding(model["words"], [4])
    assert torch.equal(model["words"](ids), before)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    model["words"](ids).sum().backward()
    optimizer.step()
    assert torch.equal(model["words"].weight, own)
    assert (model["words"](ids) != before).any(-1).tolist() == [[False, True, False]]
    adapter = replace(lora.adapter_of(model, CONFIG, base="b"), model="cutout", words=("fox",))
    assert set(adapter.tensors) == {"last.down", "last.up", "words.rows"}
    found = lora.read(lora.save(adapter, tmp_path / "a.safetensors"))
    assert (found.model, found.words) == ("cutout", ("fox",)) and torch.equal(found.rows, adapter.rows)
    with pytest.raises(WeightsError, match="names words and has none"):
        lora.read(lora.save(replace(adapter, words=()), tmp_path / "b.safetensors"))


def test_adapters_that_do_not_say_whose_they_are_are_a_film_model_s(plain: Small, tmp_path: Path) -> None:
    record = {"family": "lora", "config": {"rank": 2, "alpha": 4.0, "targets": ["last"]}, "base": "b", "facts": {}}
    tensors = lora.adapter_of(taught(plain), CONFIG, base="b").tensors
    lora.save_file(tensors, tmp_path / "old", metadata={lora.RECORD: json.dumps(record)})
    assert lora.read(tmp_path / "old").model == "transformer" and lora.read(tmp_path / "old").words == ()


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    torch.save({"x": torch.zeros(1)}, tmp_path / "a.safetensors")
    (tmp_path / "b.bin").write_bytes(pickle.dumps({"x": 1}))
    for name in ("a.safetensors", "b.bin"):
        with pytest.raises(WeightsError, match="is a pickle, which can run any code"):
            lora.read(tmp_path / name)
