"""Tests the one way from a request to frames: what is legal, what comes out, and that it comes out again."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from rushes import config, given
from rushes.errors import InputError, WeightsError
from rushes.generate import Generator
from rushes.media.encode import encode
from rushes.media.thumbnails import save_image
from rushes.models.autoencoder import Autoencoder, AutoencoderConfig, fit
from rushes.models.backdrop import BackdropConfig, BackdropModel
from rushes.models.cutout import CutoutConfig, CutoutModel
from rushes.models.layout import LayoutConfig, LayoutModel
from rushes.models.text import TextConfig
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.nn import weights
from rushes.tiers import TIERS, plan
from rushes.types import Condition, GenerationRequest, VideoShape

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


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "red.png"
    save_image(path, np.full((512, 512, 3), (220, 40, 40), dtype=np.uint8))
    return path


@pytest.fixture(scope="module")
def two_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film whose first second is dark and whose second one is light."""
    path = tmp_path_factory.mktemp("films") / "dark-then-light.mp4"
    frames = [np.full((512, 512, 3), 60 if i < 8 else 190, dtype=np.uint8) for i in range(16)]
    encode(path, iter(frames), fps=8, shape=size(512, 512, 16))
    return path


def made(generator: Generator, *conditions: Condition, seconds: int = 1, **changes: object) -> np.ndarray:
    request = ask(shape=size(512, 512, 8 * seconds), conditions=conditions, num_steps=4, **changes)
    return np.stack(list(generator.generate(request))).astype(float)


def seen(generator: Generator, request: GenerationRequest) -> torch.Tensor:
    """The linear inverse of a film's latent: what was decided, before it is painted. `[3 t h w]`."""
    return generator.autoencoder.transform.decode(generator.latent(request))[0]


@pytest.mark.parametrize(("kind", "there", "elsewhere"), [("first", 0, -1), ("last", -1, 0)])
def test_a_film_begins_or_ends_with_a_picture(
    generator: Generator, picture: Path, kind: str, there: int, elsewhere: int
) -> None:
    condition = Condition(kind=kind, uri=str(picture))
    transform = generator.autoencoder.transform
    red = torch.tensor([220, 40, 40]).view(3, 1, 1) / 127.5 - 1
    best = transform.towards(red.expand(3, 48, 48).contiguous(), 0 if kind == "first" else 3)
    films = [seen(generator, ask(conditions=each, num_steps=4)) for each in ((condition,), ())]
    errors = [(film[:, there] - red).square().mean() for film in films]
    assert errors[0] < errors[1]  # six random components can't show it exactly, but as well as they can:
    latent = generator.latent(ask(conditions=(condition,), num_steps=4))
    end = latent[:, :, :1] if kind == "first" else latent[:, :, -1:]
    assert best(end).abs().max() < 0.02 * latent.abs().max()  # nothing is left to add
    assert not torch.allclose(films[0][:, elsewhere], films[1][:, elsewhere])  # and the rest follows


def test_a_long_film_is_made_in_windows_that_know_the_one_before(generator: Generator) -> None:
    request = ask(shape=size(512, 512, 8 * 12), num_steps=2)
    steps: list[int] = []
    latent = generator.latent(request, lambda step, clean: steps.append(step))
    assert steps == [1, 2, 3, 4]
    assert latent.shape[2] == 24
    alone = generator.latent(ask(shape=size(512, 512, 80), num_steps=2))
    assert torch.equal(latent[:, :, :20], alone)
    assert len(list(generator.paint(latent, plan(request)))) == 96


def test_an_extended_film_begins_with_the_earlier_one(generator: Generator, two_seconds: Path) -> None:
    extend = Condition(kind="extend", uri=str(two_seconds), seconds=2)
    film = made(generator, extend, seconds=4)
    assert film.shape[0] == 32
    assert np.abs(film[:8].mean() - 60) < 4 and np.abs(film[8:16].mean() - 190) < 4
    assert np.abs(film[15] - film[16]).mean() > 1  # an untrained model goes on in its own way
    cut = made(generator, Condition(kind="extend", uri=str(two_seconds), seconds=1), seconds=2)
    assert np.abs(cut[:8].mean() - 60) < 4


def test_a_remix_keeps_the_more_the_weaker_it_is(generator: Generator, two_seconds: Path) -> None:
    frames = torch.tensor([60.0] * 8 + [190.0] * 8).view(1, 1, 16, 1, 1) / 127.5 - 1
    before = generator.autoencoder.encode(frames.expand(1, 3, 16, 48, 48).contiguous())
    away = []
    for strength in (0.05, 0.5, 1.0):
        remix = Condition(kind="remix", uri=str(two_seconds), strength=strength)
        latent = generator.latent(ask(shape=size(512, 512, 16), conditions=(remix,), num_steps=4))
        away.append(float((latent - before).square().mean()))
    assert away[0] < away[1] < away[2]


def test_only_an_area_is_made_anew(generator: Generator, two_seconds: Path) -> None:
    remix = Condition(kind="remix", uri=str(two_seconds), area=(0.5, 0.0, 1.0, 1.0))
    film = made(generator, remix, seconds=2)
    kept, fresh = film[:8, :, :240], film[:8, :, 260:]
    assert np.abs(kept - 60).max() <= 4
    assert np.abs(fresh - 60).mean() > 4


def test_a_loop_s_end_runs_into_its_beginning(generator: Generator) -> None:
    request = ask(shape=size(512, 512, 24), num_steps=4)
    loop = replace(request, conditions=(Condition(kind="loop"),))
    plain, looped = (np.stack(list(generator.generate(each))).astype(float) for each in (request, loop))
    assert plain.shape == looped.shape
    assert not np.array_equal(plain, looped)
    latent = generator.latent(loop)
    turned = latent.roll(2, dims=2)  # painting may begin anywhere
    shot = plan(loop)
    again = np.stack(list(generator.paint(turned, shot, loops=True)))
    assert np.array_equal(np.roll(looped, 8, axis=0), again.astype(float))


@pytest.mark.parametrize("kinds", [("first", "last"), ("extend", "last"), ("remix",)])
def test_what_is_given_is_read_once(
    generator: Generator, two_seconds: Path, monkeypatch: pytest.MonkeyPatch, kinds: tuple[str, ...]
) -> None:
    films: list[Path] = []
    read = given.decode.filling

    def counted(path: Path, **how: int) -> Iterator[np.ndarray]:
        films.append(path)
        return read(path, **how)

    monkeypatch.setattr(given.decode, "filling", counted)
    conditions = tuple(
        Condition(kind=kind, uri=str(two_seconds), seconds=1 if kind == "extend" else 0) for kind in kinds
    )
    generator.latent(ask(shape=size(512, 512, 8 * 12 if "remix" not in kinds else 16), conditions=conditions))
    assert films == [two_seconds] * len(kinds)


def test_a_file_that_changed_is_refused(generator: Generator, picture: Path, tmp_path: Path) -> None:
    condition = Condition(kind="first", uri=str(picture), sha256="0" * 64)
    with pytest.raises(InputError, match=r"red\.png has changed since it was named"):
        made(generator, condition)
    with pytest.raises(InputError, match=r"none\.png"):
        made(generator, Condition(kind="first", uri=str(tmp_path / "none.png")))


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


@pytest.fixture(scope="module")
def led(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """Tiny random weights that can be told where their subjects are, and a model that tells them."""
    place = tmp_path_factory.mktemp("led")
    shutil.copytree(folder / "autoencoder", place / "autoencoder")
    torch.manual_seed(1)
    film = replace(Transformer.from_pretrained(folder / "film").config, layout=True, draft=True, backdrop=True)
    weights.save(stir(Transformer(film)), place / "film", family="transformer", config=film)
    layout = LayoutConfig(width=16, depth=1, heads=1, hidden=32, text=film.text)
    weights.save(stir(LayoutModel(layout)), place / "layout", family="layout", config=layout)
    cutout = CutoutConfig(patch=12, width=16, depth=1, heads=1, hidden=32, text=film.text)
    weights.save(stir(CutoutModel(cutout)), place / "cutout", family="cutout", config=cutout)
    backdrop = BackdropConfig(width=16, depth=1, heads=1, hidden=32, brush=4, text=film.text)
    weights.save(stir(BackdropModel(backdrop)), place / "backdrop", family="backdrop", config=backdrop)
    return Generator.load(place, device="cpu", dtype="float32")


def test_a_film_shows_the_place_that_it_is_led_by(led: Generator) -> None:
    plain = copy.copy(led)
    plain.leader = replace(led.leader, stager=None)
    shown, again = led.latent(ask()), led.latent(ask())
    assert torch.equal(shown, again) and not torch.equal(shown, plain.latent(ask()))
    assert {"layout", "cutout", "backdrop"} <= set(led.record(ask())["weights"])


@pytest.fixture
def subject(tmp_path: Path) -> Condition:
    """A picture of a blue box on white."""
    picture = Image.new("RGB", (120, 80), "white")
    picture.paste((30, 60, 200), (30, 20, 90, 60))
    picture.save(path := tmp_path / "box.png")
    return Condition(kind="subject", uri=str(path), sha256=given.digest(path))


def test_a_subject_that_is_shown_is_in_the_film(led: Generator, subject: Condition) -> None:
    request = ask(conditions=(subject,))
    plain, shown, again = led.latent(ask()), led.latent(request), led.latent(request)
    assert torch.equal(shown, again) and not torch.equal(shown, plain)
    kept = json.loads(json.dumps(led.record(request)))
    assert {"layout", "cutout"} <= set(kept["weights"]) and kept["conditions"][0]["sha256"] == subject.sha256
    others = (Condition(kind="first", uri=subject.uri), Condition(kind="loop"))
    for other in others:
        assert not torch.equal(led.latent(ask(conditions=(subject, other))), led.latent(ask(conditions=(other,))))


def test_weights_that_are_shown_nothing_say_so(generator: Generator, subject: Condition) -> None:
    with pytest.raises(InputError, match="can't be shown a subject"):
        generator.latent(ask(conditions=(subject,)))


def test_a_path_changes_the_film_and_comes_back(led: Generator) -> None:
    paths = [Condition(kind="path", points=points) for points in (((0.1, 0.5), (0.9, 0.5)), ((0.9, 0.2), (0.1, 0.8)))]
    plain, first, second, again = (
        led.latent(ask(conditions=conditions)) for conditions in ((), paths[:1], paths[1:], paths[:1])
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, second) and not torch.equal(first, plain)
    request = ask(conditions=(paths[0],))
    kept = json.loads(json.dumps(led.record(request)))
    assert "layout" in kept["weights"] and kept["conditions"][0]["points"] == [[0.1, 0.5], [0.9, 0.5]]
    values = {name: kept[name] for name in GenerationRequest.__dataclass_fields__}
    assert config.from_dict(GenerationRequest, values) == request


def test_weights_that_cannot_be_led_say_so(generator: Generator) -> None:
    with pytest.raises(InputError, match="can't lead a subject along a path"):
        generator.latent(ask(conditions=(Condition(kind="path", points=((0.1, 0.5), (0.9, 0.5))),)))
