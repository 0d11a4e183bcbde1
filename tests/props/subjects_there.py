"""What the tests of own subjects share: stills, a cut-out model that knows the world's words, an adapter for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image, ImageDraw

from rushes.models import _taught as taught
from rushes.models import cutout
from rushes.models.cutout import CutoutModel
from rushes.nn import lora, weights
from rushes.nn.lora import LoraConfig, LoraEmbedding
from rushes.world.captions import words

RANK = LoraConfig(rank=2, alpha=2.0, targets=("blocks.*.attention.*", "out"))


def stills(folder: Path, num: int = 5) -> Path:
    """Draw a wedge that points right, each a little larger than the one before; the last one points left."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(num):
        picture = Image.new("RGB", (120, 100), (200, 220, 240))
        ImageDraw.Draw(picture).polygon([(20, 20 - index), (20, 80 + index), (100, 50)], fill=(230, 110, 30))
        if index == num - 1:
            picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / f"{index}-left.png")
        else:
            picture.save(folder / f"{index}.png")
    return folder


def cutter(folder: Path, known: tuple[str, ...] = ()) -> Path:
    """Save a tiny cut-out model with the world's words, or with `known`."""
    torch.manual_seed(0)
    text = replace(cutout.tiny().text, words=known or tuple(sorted(words())), length=16)
    config = replace(cutout.tiny(), text=text)
    model = CutoutModel(config)
    torch.nn.init.normal_(model.out.weight, std=0.1)
    model.mean.fill_(0.3)
    model.deviation.fill_(0.3)
    return weights.save(model, folder, family="cutout", config=config)


def adapter(folder: Path, path: Path, name: str = "fox", like: str = "cat") -> Path:
    """Save an adapter for the cut-out model in `folder` that changes it and its new word much."""
    torch.manual_seed(3)
    model = CutoutModel.from_pretrained(folder)
    learned = taught.learned(model.vocabulary, name)
    ids = taught.make_room(model, learned, like)
    lora.attach(model, RANK)
    model.text.words = LoraEmbedding(model.text.words, ids)
    torch.nn.init.normal_(model.text.words.rows)
    for module in model.modules():
        if isinstance(module, lora.LoraLinear):
            torch.nn.init.normal_(module.up)
    base = weights.read_config(folder, family="cutout")["sha256"]
    made = lora.adapter_of(model, RANK, base=base, facts={"name": name, "like": like})
    return lora.save(replace(made, model="cutout", words=learned), path)
