"""Tests that a cut-out model learns an adapter's words and that others hear what the subject is like."""

from dataclasses import replace
from pathlib import Path

import pytest
import subjects_there
import torch

from rushes.errors import InputError, WeightsError
from rushes.models import _taught as taught
from rushes.models import layout
from rushes.models.cutout import CutoutModel
from rushes.models.layout import LayoutModel
from rushes.models.text import Vocabulary
from rushes.nn import lora

KNOWN = Vocabulary(("a", "an", "cat", "drifts", "left", "orange", "fox"), 6)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return subjects_there.cutter(tmp_path / "cutout")


def drawn(model: CutoutModel | taught.Cast, prompt: str) -> torch.Tensor:
    return model.cut(prompt, torch.Generator().manual_seed(1))


def test_a_name_is_heard_as_what_it_is_like() -> None:
    heard = taught.Heard(KNOWN, "Mister Tod", "orange cat")
    assert heard.split("A mister  Tod drifts") == ["an", "orange", "cat", "drifts"]
    assert heard.split("the mister tod's") == ["the", "mister", "tod's"]
    assert heard.encode("mister tod drifts left") == KNOWN.encode("orange cat drifts left")
    assert heard.unknown("a mister tod and tod") == ["and", "tod"]
    assert heard.overflow("a mister tod drifts left left left") == ["left"]
    twice = taught.Heard(heard, "teapot", "cat")
    assert twice.split("a teapot, a mister tod") == ["a", "cat", "an", "orange", "cat"]


def test_new_words_are_learned_or_else_the_last() -> None:
    assert taught.learned(KNOWN, "orange Tod") == ("tod",)
    assert taught.learned(KNOWN, "orange fox") == ("fox",)
    for name in ("", "?!", "a b c d e", "tod tod"):
        with pytest.raises(InputError, match="1 to 4 different words"):
            taught.words_of(name)


def test_a_taught_subject_is_drawn_by_its_name(base: Path, tmp_path: Path) -> None:
    adapter = lora.read(subjects_there.adapter(base, tmp_path / "fox.safetensors"))
    plain, model, none = (CutoutModel.from_pretrained(base) for _ in range(3))
    taught.teach(model, adapter)
    assert plain.vocabulary.unknown("a fox") == ["fox"] and model.vocabulary.unknown("a fox") == []
    assert not torch.equal(drawn(model, "a fox"), drawn(plain, "a fox"))
    assert torch.equal(model.text.words.weight[model.vocabulary.ids["fox"]], adapter.rows[0])
    taught.teach(none, adapter, 0.0)
    assert torch.equal(drawn(none, "a fox"), drawn(plain, "a cat"))
    assert torch.equal(drawn(none, "a red dog"), drawn(plain, "a red dog"))


def test_each_adapter_draws_its_own_subject_and_nobody_else(base: Path, tmp_path: Path) -> None:
    plain = CutoutModel.from_pretrained(base)
    cast = taught.Cast(CutoutModel.from_pretrained(base))
    adapters = {n: lora.read(subjects_there.adapter(base, tmp_path / n, n, "ball")) for n in ("fox", "teapot")}
    for adapter in adapters.values():
        cast.add(adapter)
    for prompt in ("a red cat", "foxes", ""):
        assert torch.equal(drawn(cast, prompt), drawn(plain, prompt))
    fox, teapot = CutoutModel.from_pretrained(base), CutoutModel.from_pretrained(base)
    taught.teach(fox, adapters["fox"])
    taught.teach(teapot, adapters["teapot"])
    first, second = drawn(cast, "watch a Fox pass a red cat")
    assert torch.equal(first, drawn(fox, "watch a fox pass a red cat")[0])
    assert torch.equal(second, drawn(plain, "watch a ball pass a red cat")[1])
    first, second = drawn(cast, "a teapot chases a fox")
    assert torch.equal(first, drawn(teapot, "a teapot chases a ball")[0])
    assert torch.equal(second, drawn(fox, "a ball chases a fox")[1])
    with pytest.raises(WeightsError, match="teaches no subject"):
        cast.add(replace(adapters["fox"], words=()))


def test_a_known_name_means_the_new_one(base: Path, tmp_path: Path) -> None:
    adapter = lora.read(subjects_there.adapter(base, tmp_path / "cat", "cat", "dog"))
    plain, model = CutoutModel.from_pretrained(base), CutoutModel.from_pretrained(base)
    taught.teach(model, adapter)
    assert model.vocabulary.ids == plain.vocabulary.ids
    same = (model.text.words.weight == plain.text.words.weight).all(-1)
    assert (~same).nonzero()[:, 0].tolist() == [plain.vocabulary.ids["cat"]]


def test_what_does_not_fit_changes_nothing(base: Path, tmp_path: Path) -> None:
    adapter = lora.read(subjects_there.adapter(base, tmp_path / "fox"))
    model = CutoutModel.from_pretrained(base)
    for wrong in (replace(adapter, words=()), replace(adapter, model="transformer"), replace(adapter, facts={})):
        with pytest.raises(WeightsError, match="teaches no subject"):
            taught.teach(model, wrong)
    for wrong in (
        replace(adapter, words=("fox", "hen")),
        replace(adapter, facts={"name": "fox", "like": "griffin"}),
    ):
        with pytest.raises(WeightsError, match="words do not fit these weights"):
            taught.teach(model, wrong)
    assert torch.equal(drawn(model, "a cat"), drawn(CutoutModel.from_pretrained(base), "a cat"))


def test_a_layout_is_that_of_what_it_is_like(base: Path, tmp_path: Path) -> None:
    adapter = lora.read(subjects_there.adapter(base, tmp_path / "fox"))
    torch.manual_seed(0)
    model = LayoutModel(layout.tiny()).eval()
    torch.nn.init.normal_(model.out.weight, std=0.3)
    wanted = model.plan("a cat", 1, torch.Generator().manual_seed(2))
    taught.tell(model, adapter)
    assert torch.equal(model.plan("a fox", 1, torch.Generator().manual_seed(2)), wanted)
