"""Tests the one way from a request to frames: what is legal, what comes out, and that it comes out again."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rushes import config
from rushes.errors import InputError, WeightsError
from rushes.generate import Generator
from rushes.models.autoencoder import Autoencoder, AutoencoderConfig, fit
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.nn import weights
from rushes.tiers import LEGAL_FPS, MAX_SECONDS, SIZES, TIERS, plan, tier
from rushes.types import GenerationRequest, VideoShape

WORDS = ("a", "cat", "left", "red")


def stir(model: nn.Module) -> nn.Module:
    """Give every parameter that starts at zero something to do."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.copy_(torch.randn(parameter.shape, generator=random) * 0.1)
    return model


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random weights, both models."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    painter = AutoencoderConfig(channels=6, cell=4, widths=(8, 6, 4, 4, 4))
    text = TextConfig(words=WORDS, length=6, width=16, depth=1, heads=1)
    film = TransformerConfig(channels=6, width=32, depth=2, heads=2, hidden=48, text=text)
    autoencoder = Autoencoder(painter)
    autoencoder.transform.basis.normal_(std=0.1)
    weights.save(stir(autoencoder), folder / "autoencoder", family="autoencoder", config=painter)
    weights.save(stir(Transformer(film)), folder / "film", family="transformer", config=film)
    return folder


@pytest.fixture(scope="module")
def generator(folder: Path) -> Generator:
    return Generator.load(folder, device="cpu", dtype="float32")


def ask(name: str = "flipbook", **changes: object) -> GenerationRequest:
    chosen = TIERS[name]
    values = {"prompt": "a red cat", "shape": chosen.shape, "fps": chosen.fps, "num_steps": 2, "guidance_scale": 3.0}
    return GenerationRequest(**(values | changes))


def size(width: int, height: int, frames: int = 8) -> VideoShape:
    return VideoShape(frames=frames, height=height, width=width)


def test_every_tier_is_legal_and_called_by_its_name() -> None:
    assert list(TIERS) == ["flipbook", "short", "feature", "still"]
    assert all(tier(name).name == name and plan(ask(name)).shape == TIERS[name].shape for name in TIERS)
    assert TIERS["feature"].shape == VideoShape(frames=240, height=720, width=1280)
    with pytest.raises(InputError, match="there is no tier 'shrot'; known: short, flipbook"):
        tier("shrot")


@pytest.mark.parametrize("sides", SIZES)
def test_every_size_is_painted_at_least_as_large_as_it_is(sides: tuple[int, int]) -> None:
    shot = plan(ask(shape=size(*sides)))
    assert shot.columns * shot.pixels >= sides[0]
    assert shot.rows * shot.pixels >= sides[1]
    assert SIZES[sides[1], sides[0]] == (shot.columns, shot.rows, shot.pixels)


@pytest.mark.parametrize("fps", LEGAL_FPS)
@pytest.mark.parametrize("seconds", [1, 3, MAX_SECONDS])
def test_whole_seconds_and_stills_are_legal(fps: int, seconds: int) -> None:
    assert plan(ask(shape=size(512, 512, seconds * fps), fps=fps)).seconds == seconds
    still = plan(ask(shape=size(512, 512, 1), fps=fps))
    assert (still.seconds, still.num_tokens) == (1, 144)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": size(1920, 1080)}, "size 1920x1080 is illegal; the nearest legal value is 1280x720;"),
        ({"shape": size(500, 500)}, "size 500x500 is illegal; the nearest legal value is 512x512;"),
        ({"shape": size(1, 4000)}, "the nearest legal value is 320x768"),
        ({"fps": 30}, "fps 30 is illegal; the nearest legal value is 24"),
        ({"fps": 1}, "fps 1 is illegal; the nearest legal value is 8"),
        ({"shape": size(512, 512, 9)}, "9 frames at 8 fps is illegal.*the nearest legal value is 8"),
        ({"shape": size(512, 512, 2)}, "the nearest legal value is 1$"),
        ({"shape": size(512, 512, 100000)}, "the nearest legal value is 80$"),
        ({"shape": size(512, 512, 40), "fps": 24}, "the nearest legal value is 48$"),
        ({"model": "wan"}, "there is no model 'wan'; known: rushes"),
        ({"conditions": ("image",)}, "condition 'image' is illegal"),
    ],
)
def test_what_is_illegal_is_refused_with_the_nearest_legal_value(changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        plan(ask(**changes))


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({}, (8, 512, 512)),
        ({"shape": size(768, 320)}, (8, 320, 768)),
        ({"shape": size(416, 608)}, (8, 608, 416)),
        ({"shape": size(1280, 720, 24), "fps": 24}, (24, 720, 1280)),
        ({"shape": size(1280, 720, 1), "fps": 24}, (1, 720, 1280)),
    ],
)
def test_frames_are_as_asked(generator: Generator, changes: dict[str, object], shape: tuple[int, ...]) -> None:
    frames = np.stack(list(generator.generate(ask(**changes))))
    assert (frames.shape, frames.dtype) == ((*shape, 3), np.uint8)
    assert frames.std() > 1


def test_a_still_is_the_first_frame_of_a_second(generator: Generator) -> None:
    still = list(generator.generate(ask(shape=size(512, 512, 1))))
    assert np.array_equal(still[0], next(generator.generate(ask())))


def test_what_is_asked_shows(generator: Generator) -> None:
    def film(**changes: object) -> torch.Tensor:
        return generator.latent(ask(**changes))

    same = film()
    assert torch.equal(same, film())
    for change in (
        {"seed": 1},
        {"prompt": "left"},
        {"negative_prompt": "left"},
        {"guidance_scale": 2.0},
        {"num_steps": 3},
    ):
        assert not torch.equal(same, film(**change)), change
    assert torch.equal(film(guidance_scale=1.0), film(guidance_scale=1.0, negative_prompt="left"))


def test_guidance_mixes_both_prompts(generator: Generator) -> None:
    """With one step the latent is linear in the velocity, so guidance can be checked from its two ends."""
    with_prompt = generator.latent(ask(num_steps=1, guidance_scale=1.0))
    without = generator.latent(ask(num_steps=1, guidance_scale=0.0))
    guided = generator.latent(ask(num_steps=1, guidance_scale=3.0))
    assert torch.allclose(guided, without + 3.0 * (with_prompt - without), atol=1e-4)
    assert not torch.allclose(with_prompt, without, atol=1e-3)


def test_watch_sees_every_step_and_a_preview_is_a_small_picture(generator: Generator) -> None:
    seen: list[tuple[int, tuple[int, ...]]] = []

    def watch(step: int, clean: torch.Tensor) -> None:
        seen.append((step, generator.preview(clean).shape))

    next(generator.generate(ask(num_steps=3), watch))
    assert seen == [(1, (48, 48, 3)), (2, (48, 48, 3)), (3, (48, 48, 3))]


def test_frames_do_not_depend_on_the_number_of_painting_threads(generator: Generator) -> None:
    before, films = torch.get_num_threads(), []
    latent = torch.randn((1, 6, 6, 12, 12), generator=torch.Generator().manual_seed(3))
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            films.append(np.stack(list(generator.paint(latent, plan(ask(shape=size(512, 512, 24)))))))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*films)


DIGEST = """
import hashlib, json, sys
from pathlib import Path
from rushes.config import from_dict
from rushes.generate import Generator
from rushes.types import GenerationRequest
request = from_dict(GenerationRequest, json.loads(sys.argv[2]))
frames = list(Generator.load(Path(sys.argv[1]), device="cpu", dtype="float32", threads=1).generate(request))
print(hashlib.sha256(b"".join(frame.tobytes() for frame in frames)).hexdigest())
"""


def test_two_processes_make_the_same_frames_bit_for_bit(folder: Path) -> None:
    arguments = [sys.executable, "-c", DIGEST, str(folder), json.dumps(config.to_dict(ask(num_steps=4)))]
    runs = [subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1] != ""


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_guided_films_do_not_depend_on_one_or_two_cores(generator: Generator, scale: float) -> None:
    before, films = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            films.append(generator.latent(ask(guidance_scale=scale)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*films) if scale != 1.0 else torch.allclose(*films, atol=1e-4)


def test_bfloat16_is_the_film_model_s_alone_and_follows_float32(folder: Path, generator: Generator) -> None:
    low = Generator.load(folder, device="cpu", dtype="bfloat16")
    assert low.record(ask())["dtype"] == "bfloat16"
    latent, exact = low.latent(ask()), generator.latent(ask())
    assert latent.dtype == torch.float32
    assert 0 < (latent - exact).norm() / exact.norm() < 0.1
    assert next(low.autoencoder.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"device": "cpi"}, "there is no device 'cpi' here; there are: cpu"),
        ({"device": "cuda:99"}, "there is no device 'cuda:99' here"),
        ({"device": "cpu", "dtype": "float16"}, "dtype 'float16' is unknown; legal: .*float32"),
    ],
)
def test_what_the_machine_lacks_is_refused(folder: Path, how: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Generator.load(folder, **how)


@pytest.mark.gpu
def test_an_accelerator_makes_the_same_film_up_to_rounding(folder: Path, generator: Generator) -> None:
    fast = Generator.load(folder, device="auto", dtype="float32")
    assert fast.device.type != "cpu"
    assert torch.allclose(fast.latent(ask()).cpu(), generator.latent(ask()), atol=1e-2)
    ours, theirs = (np.stack(list(each.generate(ask("short")))) for each in (fast, generator))
    assert ours.shape == theirs.shape
    assert np.abs(ours.astype(int) - theirs.astype(int)).mean() < 2
    fast.estimate(ask())
    assert fast.preview(fast.latent(ask())).shape == (48, 48, 3)
    auto = Generator.load(folder)
    assert next(auto.generate(ask())).dtype == np.uint8


def test_the_record_makes_the_request_again_and_names_the_weights(generator: Generator, folder: Path) -> None:
    record = json.loads(json.dumps(generator.record(ask(seed=7, negative_prompt="left"))))
    shipped = {
        name: hashlib.sha256((folder / name / weights.FILE).read_bytes()).hexdigest() for name in record["weights"]
    }
    assert record.pop("weights") == shipped
    assert set(shipped) == {"autoencoder", "film"}
    assert record.pop("rushes")
    assert (record.pop("device"), record.pop("dtype")) == (generator.device.type, "float32")
    assert config.from_dict(GenerationRequest, record) == ask(seed=7, negative_prompt="left")


def test_an_estimate_grows_with_the_film(generator: Generator) -> None:
    small, large = generator.estimate(ask()), generator.estimate(ask("feature", num_steps=20))
    assert 0 < small.denoise_s < small.seconds < large.seconds
    assert 100e6 < small.memory_bytes < large.memory_bytes < 4e9
    with pytest.raises(InputError):
        generator.estimate(ask(fps=30))


def test_a_picture_is_cut_to_its_aspect_and_made_small_by_area() -> None:
    stripes = torch.zeros(1, 480, 720, 3, dtype=torch.uint8)
    stripes[:, :, ::2] = 200
    small = fit(stripes, 416, 608)
    assert small.shape == (1, 416, 608, 3)
    assert small.is_contiguous()
    assert 60 < small.float().mean() < 140
    assert fit(stripes, 480, 720) is stripes
    edges = torch.zeros(1, 432, 768, 3, dtype=torch.uint8)
    edges[:, :, :4] = edges[:, :, -4:] = 255  # 6 columns on each side are cut away
    assert fit(edges, 384, 672).max() == 0


def test_weights_that_are_missing_or_damaged_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there are no weights in"):
        Generator.load(tmp_path)
    for name in ("autoencoder", "film"):
        (tmp_path / name).mkdir()
        for file in (weights.FILE, weights.CONFIG):
            (tmp_path / name / file).write_bytes((folder / name / file).read_bytes())
    damaged = tmp_path / "film" / weights.FILE
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="has SHA-256"):
        Generator.load(tmp_path)


def test_a_request_is_refused_before_anything_runs(generator: Generator) -> None:
    with pytest.raises(InputError, match="nearest legal"):
        next(generator.generate(replace(ask(), fps=25)))
