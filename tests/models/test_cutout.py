"""Tests of the cut-out model: pictures are legal, repeatable, and weights come back as they were."""

from pathlib import Path

import pytest
import torch

from rushes.layouts import CUTOUT_PX
from rushes.models.cutout import CutoutModel, settled, tiny
from rushes.nn import weights


@pytest.fixture
def model() -> CutoutModel:
    torch.manual_seed(0)
    made = CutoutModel(tiny()).eval().requires_grad_(False)
    for layer in (made.out, made.blocks[0].modulation):
        torch.nn.init.normal_(layer.weight, std=0.3)
    return made


def drawn(model: CutoutModel, prompt: str = "red cat", seed: int = 0) -> torch.Tensor:
    return model.cut(prompt, torch.Generator().manual_seed(seed))


def test_pictures_follow_the_prompt_and_the_seed(model: CutoutModel) -> None:
    first = drawn(model)
    assert first.shape == (2, 4, CUTOUT_PX, CUTOUT_PX)
    assert torch.equal(first, drawn(model))
    assert not torch.equal(first, drawn(model, seed=1)) and not torch.equal(first, drawn(model, "left"))


def test_no_colour_is_brighter_than_its_alpha() -> None:
    torch.manual_seed(0)
    pictures = settled(torch.randn(3, 4, 8, 8))
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert (pictures[:, :3] <= pictures[:, 3:]).all()
    assert not settled(torch.full((1, 4, 8, 8), 0.01)).any()


def test_a_velocity_leads_to_the_clean_picture(model: CutoutModel) -> None:
    x, t = torch.randn(3, 4, CUTOUT_PX, CUTOUT_PX), torch.tensor([0.2, 0.5, 1.0])
    text, which = model.text(torch.ones(3, 4, dtype=torch.long)), torch.tensor([0, 1, 0])
    velocity = model(x, t, text, which)
    clean = model.clean(x, t, text, which)
    torch.testing.assert_close(x - velocity * t.view(-1, 1, 1, 1), clean, atol=1e-5, rtol=1e-5)
    assert not torch.equal(model.clean(x, t, text, 1 - which), clean)


def test_weights_come_back_as_they_were(model: CutoutModel, tmp_path: Path) -> None:
    weights.save(model, tmp_path / "cutout", family="cutout", config=model.config)
    again = CutoutModel.from_pretrained(tmp_path / "cutout")
    assert (drawn(model) - drawn(again)).abs().mean() < 0.02  # shipped weights are bfloat16
