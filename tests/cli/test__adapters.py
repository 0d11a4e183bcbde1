"""Tests `rushes film --lora`: subjects are drawn as learned, several adapters work together, others' are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import subjects_there
import torch
from click.testing import CliRunner, Result

from rushes import layouts
from rushes.cli._adapters import read_adapters, split
from rushes.cli.main import main
from rushes.errors import InputError
from rushes.media.decode import read
from rushes.models import layout
from rushes.models.autoencoder import Autoencoder, AutoencoderConfig
from rushes.models.layout import LayoutModel
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.nn import lora, weights
from rushes.nn.lora import LoraConfig

SHORT = ("--tier", "flipbook", "--steps", "2")
WORDS = ("a", "and", "ball", "cat", "left", "moves", "red")


@pytest.fixture(scope="session")
def drawn_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random weights whose film model is shown cut-outs."""
    folder = tmp_path_factory.mktemp("drawn")
    torch.manual_seed(0)
    painter = AutoencoderConfig(channels=6, cell=4, widths=(8, 6, 4, 4, 4))
    text = TextConfig(words=WORDS, length=6, width=16, depth=1, heads=1)
    film = TransformerConfig(channels=6, width=32, depth=2, heads=2, hidden=48, text=text, layout=True, draft=True)
    plans = replace(layout.tiny(), text=text)
    autoencoder, transformer, planner = Autoencoder(painter), Transformer(film), LayoutModel(plans)
    autoencoder.transform.basis.normal_(std=0.1)
    torch.nn.init.normal_(transformer.out.weight, std=0.1)
    torch.nn.init.normal_(planner.out.weight, std=0.3)
    planner.mean[layouts.CAMERA + layouts.PRESENT :: layouts.SUBJECT] = 1.0  # both subjects are there
    weights.save(autoencoder, folder / "autoencoder", family="autoencoder", config=painter)
    weights.save(transformer, folder / "film", family="transformer", config=film)
    weights.save(planner, folder / "layout", family="layout", config=plans)
    subjects_there.cutter(folder / "cutout", WORDS)
    return folder


@pytest.fixture(autouse=True)
def place(drawn_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the tiny weights as the shipped ones."""
    monkeypatch.setenv("RUSHES_WEIGHTS", str(drawn_weights))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def subject(drawn_weights: Path, name: str, like: str = "cat") -> str:
    return str(subjects_there.adapter(drawn_weights / "cutout", Path(f"{name}.safetensors"), name, like))


def style(drawn_weights: Path) -> str:
    torch.manual_seed(1)
    config = LoraConfig(rank=2, alpha=2.0)
    model = lora.attach(Transformer.from_pretrained(drawn_weights / "film"), config)
    for module in model.modules():
        if isinstance(module, lora.LoraLinear):
            torch.nn.init.normal_(module.up)
    base = weights.read_config(drawn_weights / "film", family="transformer")["sha256"]
    return str(lora.save(lora.adapter_of(model, config, base=base), Path("style.safetensors")))


def film(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["film", *arguments])


def made(*arguments: str) -> tuple[dict[str, Any], np.ndarray, str]:
    done = film(*arguments, *SHORT, "--json")
    assert done.exit_code == 0, (done.stderr, done.exception)
    report = json.loads(done.stdout)
    return report, read(Path(report["path"])).frames, done.stderr


def test_a_subject_is_drawn_as_learned_and_moves_like_another(drawn_weights: Path) -> None:
    fox = subject(drawn_weights, "fox")
    report, frames, said = made("a fox moves left", "--lora", fox, "-o", "fox.gif")
    assert report["unknown_words"] == {} and "never taught" not in said
    assert "fox.safetensors teaches 'fox': it is drawn as learned, and moves like a cat" in said
    assert report["request"]["prompt"] == "a fox moves left"
    assert report["request"]["weights"]["lora"] == f"{lora.read(Path(fox)).sha256}:1"
    _, cat, _ = made("a cat moves left", "-o", "cat.gif")
    assert not np.array_equal(frames, cat)
    _, none, _ = made("a fox moves left", "--lora", f"{fox}:0", "-o", "none.gif")
    assert np.array_equal(none, cat)
    without = film("a fox moves left", *SHORT, "-o", "without.gif")
    assert "words that the model was never taught: fox" in without.stderr


def test_adapters_work_together(drawn_weights: Path) -> None:
    files = [subject(drawn_weights, "fox"), subject(drawn_weights, "teapot", "ball"), style(drawn_weights)]
    typed = [part for file in files for part in ("--lora", f"{file}:0.8")]
    report, frames, said = made("a fox moves left", *typed, "-o", "all.gif")
    assert report["unknown_words"] == {} and "moves like a cat" in said and "moves like a ball" in said
    assert report["request"]["weights"]["lora"].count(":0.8") == 3
    _, two, _ = made("a fox moves left", *typed[:4], "-o", "two.gif")
    _, styled, _ = made("a cat moves left", *typed[4:], "-o", "styled.gif")
    assert not np.array_equal(frames, two) and not np.array_equal(frames, styled)
    twice = film("a fox", "--lora", files[0], "--lora", files[0], *SHORT)
    assert twice.exit_code == 2 and "both teach 'fox'; name one of them" in twice.stderr


def test_what_is_for_others_is_refused(drawn_weights: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fox, look = subject(drawn_weights, "fox"), style(drawn_weights)
    for file, part in ((fox, "cutout"), (look, "film")):
        lora.save(replace(lora.read(Path(file)), base="f" * 64), Path("other.safetensors"))
        refuse("other.safetensors", f"was made for other {part} weights (ffffffffffff…, these are ")
    lora.save(replace(lora.read(Path(look)), model="oracle"), Path("odd.safetensors"))
    refuse("odd.safetensors", "is for 'oracle' weights, which take no adapters here")
    lora.save(replace(lora.read(Path(fox)), facts={}), Path("nameless.safetensors"))
    refuse("nameless.safetensors", "the adapter teaches no subject")
    torch.save({"x": torch.zeros(1)}, "pickled.safetensors")
    refuse("pickled.safetensors", "is a pickle, which can run any code when it is read; only safetensors are read")
    bare = place / "bare"
    bare.mkdir()
    for name in ("autoencoder", "film", "layout"):
        (bare / name).symlink_to(drawn_weights / name)
    monkeypatch.setenv("RUSHES_WEIGHTS", str(bare))
    refuse(fox, "is for cutout weights, and there are none beside the others")
    assert not list(place.glob("*.gif"))


def refuse(file: str, said: str) -> None:
    done = film("a fox", *SHORT, "--lora", file, "-o", "x.gif", "--quiet")
    assert done.exit_code == 1 and said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_scale_follows_the_last_colon(place: Path) -> None:
    (place / "a:1").touch()
    assert split("a:1") == (Path("a:1"), 1.0) and split("b.safetensors:0.5") == (Path("b.safetensors"), 0.5)
    with pytest.raises(InputError, match="the nearest legal value is -100"):
        split("a.safetensors:-1000")
    with pytest.raises(InputError, match="'loud'"):
        read_adapters(["a.safetensors:loud"])
