"""Tests of the sheet that shows a model before and after: the same noise for both, a row per prompt."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from rushes.models import toy as toys
from rushes.models.autoencoder import Autoencoder
from rushes.models.transformer import Transformer
from rushes.train.compare import Question, answer, paint, write_sheet


def question(prompt: str = "a cat") -> Question:
    return Question(
        prompt=prompt, rows=9, columns=16, seconds=1, shift=2.0, clip=np.full((8, 144, 256, 3), 90, np.uint8)
    )


def model() -> Transformer:
    torch.manual_seed(2)
    config = toys.transformer()
    made = Transformer(replace(config, text=replace(config.text, words=("a", "cat", "dog"))))
    torch.nn.init.normal_(made.out.weight, std=0.1)
    return made.eval()


def test_films_follow_from_model_prompt_and_number() -> None:
    one = answer(model(), question(), 0)
    assert one.shape == (1, 24, 2, 9, 16) and one.isfinite().all()
    assert torch.equal(one, answer(model(), question(), 0))
    assert not torch.equal(one, answer(model(), question(), 1))


def test_a_sheet_has_a_row_per_prompt(toy_autoencoder: Path, tmp_path: Path) -> None:
    frames = paint(Autoencoder.from_pretrained(toy_autoencoder), answer(model(), question(), 0))
    assert frames.shape == (2, 144, 256, 3) and frames.dtype == np.uint8
    heights = []
    for num in (1, 2):
        questions = [question("a cat"), question("a dog that runs")][:num]
        write_sheet(tmp_path / "sheet.png", questions, [("before", [frames] * num), ("after", [frames] * num)])
        with Image.open(tmp_path / "sheet.png") as sheet:
            heights.append(sheet.size[1])
            assert sheet.size[0] == 1600
    assert heights[1] > 1.5 * heights[0]
