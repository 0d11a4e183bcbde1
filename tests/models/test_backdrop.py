"""Tests of the backdrop model: pictures are legal, repeatable, as wide as asked, and weights come back as they were."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rushes.models.backdrop import NO_TAKE, BackdropModel, middle, tiny
from rushes.nn import weights


@pytest.fixture
def model() -> BackdropModel:
    torch.manual_seed(0)
    made = BackdropModel(tiny()).eval().requires_grad_(False)
    for layer in (made.out, made.blocks[0].modulation):
        torch.nn.init.normal_(layer.weight, std=0.3)
    return made


def drawn(model: BackdropModel, prompt: str = "red cat", seed: int = 0) -> torch.Tensor:
    return model.draw(prompt, (4, 6), torch.Generator().manual_seed(seed))


def test_pictures_follow_the_prompt_and_the_seed(model: BackdropModel) -> None:
    first = drawn(model)
    assert first.shape == (4, 64, 96) and first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, drawn(model))
    assert not torch.equal(first, drawn(model, seed=1)) and not torch.equal(first, drawn(model, "left"))


def test_a_velocity_leads_to_the_clean_picture(model: BackdropModel) -> None:
    x, t = torch.randn(3, 4, 32, 64), torch.tensor([0.2, 0.5, 1.0])
    text, take = model.text(torch.ones(3, 4, dtype=torch.long)), torch.tensor([0, 3, 7])
    clean = model.clean(x, t, text, take)
    torch.testing.assert_close(x - model(x, t, text, take) * t.view(-1, 1, 1, 1), clean, atol=1e-5, rtol=1e-5)


def test_a_patch_knows_where_in_the_whole_it_is(model: BackdropModel) -> None:
    """What is drawn alone of a wider picture stands for its middle."""
    wide = torch.zeros(1, 4, 32 * 2, 32 * 2)
    text, t = model.text(torch.ones(1, 4, dtype=torch.long)), torch.ones(1)
    take = torch.zeros(1, dtype=torch.long)
    model.rows.data[:7], model.columns.data[:8] = 0, 0
    whole, part = model.clean(wide, t, text, take), model.clean(middle(wide, (2, 2)), t, text, take)
    assert middle(whole, (2, 2)).shape == part.shape and not torch.equal(part[..., :16, :16], part[..., 16:, 16:])


def test_weights_come_back_as_they_were(model: BackdropModel, tmp_path: Path) -> None:
    weights.save(model, tmp_path / "backdrop", family="backdrop", config=model.config)
    again = BackdropModel.from_pretrained(tmp_path / "backdrop")
    assert (drawn(model) - drawn(again)).abs().mean() < 0.02  # shipped weights are bfloat16


def test_takes_are_laid_out_in_their_own_ways(model: BackdropModel) -> None:
    model.takes.data.normal_()
    x, t, text = torch.zeros(2, 4, 32, 32), torch.ones(2), model.text(torch.ones(2, 4, dtype=torch.long))
    first, second = model.clean(x, t, text, torch.tensor([1, 2]))
    assert not torch.allclose(first, second, atol=1e-3)


def test_of_all_takes_the_one_like_a_picture_is_drawn(model: BackdropModel) -> None:
    model.takes.data.normal_()
    random = [torch.Generator().manual_seed(1) for _ in range(3)]
    x = torch.randn(1, 4, 64, 96, generator=random[0])
    text = model.text(torch.tensor([model.vocabulary.encode("red cat")]))
    every = model.clean(x.expand(8, -1, -1, -1), torch.ones(8), text, torch.arange(8)) * model.deviation + model.mean
    drawn = [
        model.draw("red cat", (4, 6), torch.Generator().manual_seed(1), torch.cat((take[:3], torch.ones(1, 64, 96))))
        for take in every
    ]
    assert len({picture.sum().item() for picture in drawn}) == 8


def test_what_is_known_of_a_place_stays_as_it_is(model: BackdropModel) -> None:
    like = torch.rand(4, 64, 96)
    known = torch.zeros(64, 96)
    known[10:40, 20:60] = 1
    drawn = model.draw("red cat", (4, 6), torch.Generator().manual_seed(1), like, known)
    assert torch.allclose(drawn[:3, known > 0], like[:3, known > 0], atol=1e-5)
    assert not torch.allclose(drawn[:3, known < 1], like[:3, known < 1], atol=0.05)


def test_a_place_is_laid_out_as_its_structure_says_whatever_the_take() -> None:
    torch.manual_seed(0)
    model = BackdropModel(replace(tiny(), structure=True)).eval().requires_grad_(False)
    for weight in (model.out.weight, model.takes, model.blocks[0].modulation.weight):
        torch.nn.init.normal_(weight, std=0.3)
    x, t, text = torch.randn(1, 4, 32, 32), torch.ones(1), model.text(torch.ones(1, 4, dtype=torch.long))
    structure, none = torch.rand(1, 4, 32, 32), torch.tensor([NO_TAKE])
    free = model.clean(x, t, text, none)
    assert torch.equal(free, model.clean(x, t, text, none, structure))  # at first it hears nothing
    assert not torch.equal(free, model.clean(x, t, text, torch.tensor([7])))
    assert model.structure is not None
    torch.nn.init.normal_(model.structure.into.weight)
    assert not torch.allclose(free, model.clean(x, t, text, none, structure), atol=1e-3)
    torch.testing.assert_close(free, model.clean(x, t, text, none, torch.zeros_like(structure)))
    drawn = [
        model.draw("red cat", (4, 6), torch.Generator().manual_seed(1), structure=torch.full((4, 64, 96), value))
        for value in (0.0, 1.0)
    ]
    assert not torch.allclose(*drawn, atol=1e-3)
