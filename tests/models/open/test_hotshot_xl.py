"""Tests films of Hotshot-XL with a tiny network, SDXL's own classes around it, and no weights but random ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_weights
import pytest
import torch
from safetensors.torch import save_file

from rushes.errors import InputError, WeightsError
from rushes.models.open import Adaptation, Checkpoint, Place, _hotshot_unet, hotshot_xl
from rushes.models.open._diffusers import library
from rushes.models.open.hotshot_xl import SPEC, HotshotMaker, edges
from rushes.types import Condition, GenerationRequest, VideoShape

diffusers = library()

SMALL = (128, 64)  # the real sizes take seconds a frame


def shrunk(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, native=replace(checkpoint.native, sizes=(SMALL,)))


PLAIN, CANNY, DEPTH = map(shrunk, SPEC.checkpoints)
HERE = Place(device="cpu", dtype="float32", threads=1)
ATTENTION = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"


def request(**changes: object) -> GenerationRequest:
    shape = VideoShape(frames=8, height=64, width=128)
    asked = GenerationRequest(
        prompt="a bulldog", model="hotshot-xl", shape=shape, fps=8, num_steps=1, guidance_scale=1.0
    )
    return replace(asked, **changes)


def unet(folder: Path) -> None:
    torch.manual_seed(3)
    network, config = _hotshot_unet.build(_hotshot_unet.tiny()), _hotshot_unet.tiny()
    folder.mkdir()
    save_file(network.state_dict(), folder / _hotshot_unet.FILE)
    sizes = {name: getattr(config, name) for name in config.__dataclass_fields__}
    record = {**sizes, "_class_name": "UNet3DConditionModel", "down_block_types": _hotshot_unet.FORM}
    (folder / _hotshot_unet.CONFIG).write_text(json.dumps(record))


def controlnet(folder: Path) -> None:
    sizes = {name: getattr(_hotshot_unet.tiny(), name) for name in _hotshot_unet.HotshotConfig.__dataclass_fields__}
    for name in ("out_channels", "sample_size", "time_cond_proj_dim"):
        del sizes[name]
    control = diffusers.ControlNetModel(
        **sizes,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        use_linear_projection=True,
        addition_embed_type="text_time",
        conditioning_embedding_out_channels=(8, 8, 8, 8),
    )
    # Else neither the picture nor the network that sees it has a say before they have learnt.
    for each in (*control.controlnet_down_blocks, control.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(each.weight, std=0.3)
    control.save_pretrained(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights as they are published, and a ControlNet of SDXL beside it."""
    root = tmp_path_factory.mktemp("models")
    folder = root / "Hotshot-XL"
    torch.manual_seed(1)
    parts = open_weights.xl_parts() | {"scheduler": diffusers.EulerDiscreteScheduler()}
    for name in ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"):
        parts[name].save_pretrained(folder / name)
    unet(folder / "unet")
    kinds = {
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["hotshot_xl.models.unet", "UNet3DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "HotshotXLPipeline", **kinds}))
    controlnet(root / "controlnet-canny-sdxl-1.0")
    return root


@pytest.fixture(scope="module")
def maker(models: Path) -> HotshotMaker:
    return SPEC.load(PLAIN, models / "Hotshot-XL", HERE)


def film(maker: HotshotMaker, asked: GenerationRequest) -> np.ndarray:
    return np.stack(list(maker.generate(asked, lambda step, nothing: None)))


def test_a_film_is_made_and_made_again(maker: HotshotMaker) -> None:
    steps: list[int] = []
    seen: list[torch.Tensor] = []

    def watch(step: int, clean: torch.Tensor | None) -> None:
        steps.append(step)
        seen.extend([] if clean is None else [clean])

    frames = list(maker.generate(request(), watch))
    assert [clean.shape for clean in seen] == [(1, 4, 8, *seen[0].shape[3:])]
    assert maker.preview(seen[0]).shape == (64, 128, 3)
    again = film(maker, request())
    assert again.shape == (8, 64, 128, 3) and again.dtype == np.uint8
    assert np.array_equal(np.stack(frames), again) and steps == [1]
    assert not np.array_equal(again, film(maker, request(seed=1)))
    assert not torch.is_inference_mode_enabled()


def test_guidance_and_the_negative_prompt_have_their_say(maker: HotshotMaker) -> None:
    guided = film(maker, request(guidance_scale=5.0))
    away = film(maker, request(guidance_scale=5.0, negative_prompt="blurry"))
    assert not np.array_equal(guided, away)


def test_its_record_names_every_component(maker: HotshotMaker) -> None:
    record = maker.record(request())
    assert set(record["weights"]) == {"text_encoder", "text_encoder_2", "unet", "vae"}
    assert record["dtype"] == "float32" and maker.estimate(request()).memory_bytes > 1e8  # the process itself


def test_an_adapter_of_sdxl_is_added(models: Path, maker: HotshotMaker, tmp_path: Path) -> None:
    pair = {"lora_A": torch.randn(2, 64), "lora_B": torch.randn(64, 2)}
    save_file({f"unet.{ATTENTION}.{name}.weight": each for name, each in pair.items()}, tmp_path / "style.safetensors")
    place = replace(HERE, adapters=(Adaptation(path=tmp_path / "style.safetensors"),))
    styled = SPEC.load(PLAIN, models / "Hotshot-XL", place)
    assert not np.array_equal(film(styled, request()), film(maker, request()))


def test_an_adapter_of_another_network_is_refused(models: Path, tmp_path: Path) -> None:
    pair = {"lora_A": torch.randn(2, 48), "lora_B": torch.randn(48, 2)}
    name = "unet.down_blocks.7.attentions.0.transformer_blocks.0.attn1.to_q"
    save_file({f"{name}.{half}.weight": each for half, each in pair.items()}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="another base"):
        SPEC.load(
            PLAIN, models / "Hotshot-XL", replace(HERE, adapters=(Adaptation(path=tmp_path / "other.safetensors"),))
        )


def test_the_edges_of_another_film_lead(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rushes.media.encode import encode

    monkeypatch.setenv("RUSHES_MODELS", str(models))
    frames = np.zeros((8, 64, 128, 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[16:48, 10 * number : 10 * number + 40] = 255
    path = tmp_path / "box.mp4"
    encode(path, iter(frames), fps=8, shape=VideoShape(frames=8, height=64, width=128))
    led = SPEC.load(CANNY, models / "Hotshot-XL", HERE)
    asked = request(model="hotshot-xl-canny", conditions=(Condition(kind="edges", uri=str(path)),))
    encode(
        tmp_path / "still.mp4", iter(frames[:1].repeat(8, 0)), fps=8, shape=VideoShape(frames=8, height=64, width=128)
    )
    other = replace(asked, conditions=(Condition(kind="edges", uri=str(tmp_path / "still.mp4")),))
    assert "controlnet" in led.hashes
    first, second = film(led, asked), film(led, other)
    assert np.array_equal(film(led, asked), first)
    assert not np.array_equal(first, second)
    changed = replace(asked, conditions=(replace(asked.conditions[0], sha256="0" * 64),))
    with pytest.raises(InputError, match="changed"):
        film(led, changed)


def test_edges_are_white_lines() -> None:
    box = np.zeros((64, 64, 3), np.uint8)
    box[16:48, 16:48] = 200
    lines = edges(box)
    assert lines.shape == box.shape and set(np.unique(lines)) == {0, 255}
    assert lines[32, 10:20].any() and not lines[24:40, 24:40].any()


@pytest.mark.parametrize("size", hotshot_xl.SIZES)
def test_the_seven_sizes_are_legal(size: tuple[int, int]) -> None:
    SPEC.checkpoints[0].native.check(request(shape=VideoShape(frames=8, width=size[0], height=size[1])))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"shape": VideoShape(frames=8, height=100, width=100)}, "nearest legal value is 128x64"),
        ({"shape": VideoShape(frames=24, height=64, width=128)}, "nearest legal value is 8"),
        ({"fps": 24}, "nearest legal value is 8"),
        ({"conditions": (Condition(kind="loop"),)}, "illegal"),
    ],
)
def test_what_it_can_not_make_is_said(maker: HotshotMaker, changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        film(maker, request(**changes))


def test_lines_are_asked_for_where_they_are_needed() -> None:
    with pytest.raises(InputError, match="depth"):
        DEPTH.native.check(request(model="hotshot-xl-depth"))


def test_a_folder_without_a_component_is_refused(models: Path, tmp_path: Path) -> None:
    index = json.loads((models / "Hotshot-XL" / "model_index.json").read_text())
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="no weights"):
        SPEC.load(PLAIN, tmp_path, HERE)
