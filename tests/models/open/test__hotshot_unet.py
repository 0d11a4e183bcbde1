"""Tests Hotshot-XL's network against numbers of the published one, and against SDXL's where a film is one picture."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from rushes.errors import WeightsError
from rushes.models.open import _hotshot_unet
from rushes.models.open._diffusers import library
from rushes.models.open._hotshot_unet import CONFIG, FILE, FORM, HotshotConfig, build, read, tiny

diffusers = library()

# As benchmarks/hotshot_parity.py prints them of the code at github.com/hotshotco/Hotshot-XL.
KEYS, NUMBERS = 2100, 2_804_780_484
SHAPES = "afe6b892fabe126de51c32b9f7d2e5d43bbaee769457426a0d3cb811ca40caa5"
MEAN, DEVIATION = 0.23030927777290344, 0.7074874043464661
FEW = [0.014816, -1.647145, 1.896229, 0.621837, 0.153526, 1.02413]
FEW += [-0.301868, -0.453621, 1.570317, 0.588867, -0.034347, -0.542316]


@pytest.fixture(scope="module")
def parity() -> ModuleType:
    """The script that compares with the published code: what it asks of both, it can ask of ours alone."""
    path = Path(__file__).parents[3] / "benchmarks" / "hotshot_parity.py"
    spec = importlib.util.spec_from_file_location("hotshot_parity", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def network(parity: ModuleType) -> torch.nn.Module:
    return parity.numbered(build(tiny()))


def test_the_real_network_has_the_published_keys_and_shapes(parity: ModuleType) -> None:
    with torch.device("meta"):
        assert parity.digest(build(HotshotConfig())) == (KEYS, SHAPES, NUMBERS)


def test_the_answer_is_the_published_networks(parity: ModuleType, network: torch.nn.Module) -> None:
    answer = parity.golden(parity.ours(network, parity.question(tiny())))
    assert answer["mean"] == pytest.approx(MEAN, abs=1e-4)
    assert answer["deviation"] == pytest.approx(DEVIATION, abs=1e-4)
    assert answer["few"] == pytest.approx(FEW, abs=1e-3)


def test_a_film_of_one_frame_is_a_picture_of_sdxl(parity: ModuleType, network: torch.nn.Module) -> None:
    sizes = {key: value for key, value in network.config.items() if not key.startswith("_")}
    plain = diffusers.UNet2DConditionModel(
        **sizes,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        use_linear_projection=True,
        addition_embed_type="text_time",
    ).eval()
    spatial = {name: each for name, each in network.state_dict().items() if "temporal" not in name}
    plain.load_state_dict(spatial)
    asked = parity.question(tiny())
    added = {"text_embeds": asked["pooled"], "time_ids": asked["sizes"]}
    with torch.inference_mode():
        picture = asked["latent"][:, :, 0]
        (mine,) = network(picture, 500, asked["text"], added)
        theirs = plain(picture, 500, asked["text"], added_cond_kwargs=added).sample
    torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_frames_see_each_other_and_films_do_not(parity: ModuleType, network: torch.nn.Module) -> None:
    asked = parity.question(tiny())
    before = parity.ours(network, asked)
    asked["latent"] = asked["latent"].clone()
    asked["latent"][0, :, -1] += 1
    changed = (parity.ours(network, asked) - before).abs().amax((1, 3, 4))
    assert (changed[0] > 1e-3).all() and (changed[1] == 0).all()


def test_residuals_of_a_controlnet_are_added(parity: ModuleType, network: torch.nn.Module) -> None:
    latent, text = torch.zeros(2, 4, 8, 8), torch.zeros(2, 3, 64)
    added = {"text_embeds": torch.zeros(2, 32), "time_ids": torch.zeros(2, 6)}
    widths, sides = (32, 32, 32, 64, 64, 64), (8, 8, 4, 4, 2, 2)
    residuals = [torch.ones(2, width, side, side) for width, side in zip(widths, sides, strict=True)]
    with torch.inference_mode():
        (plain,) = network(latent, 1, text, added)
        (led,) = network(latent, 1, text, added, None, residuals, torch.ones(2, 64, 2, 2))
    assert (led - plain).abs().mean() > 1e-2


def write(folder: Path, config: dict[str, object], tensors: dict[str, torch.Tensor]) -> Path:
    (folder / CONFIG).write_text(json.dumps(config))
    save_file({name: each.contiguous() for name, each in tensors.items()}, folder / FILE)
    return folder


def published_config() -> dict[str, object]:
    """What the published config.json says, with the tiny network's sizes."""
    sizes = {name: getattr(tiny(), name) for name in HotshotConfig.__dataclass_fields__}
    return {**sizes, "down_block_types": FORM, "act_fn": "silu", "_class_name": "UNet3DConditionModel"}


def test_published_weights_are_read(tmp_path: Path, network: torch.nn.Module) -> None:
    tensors = {name: each.half() for name, each in network.state_dict().items()}
    again = read(write(tmp_path, published_config(), tensors), torch.bfloat16)
    assert again.conv_out.weight.dtype == torch.bfloat16
    torch.testing.assert_close(again.conv_out.weight.float(), network.conv_out.weight, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("fault", ["no config", "another network", "no weights", "cut off", "missing key", "shape"])
def test_what_is_no_such_network_is_said(tmp_path: Path, network: torch.nn.Module, fault: str) -> None:
    tensors = dict(network.state_dict())
    if fault == "missing key":
        del tensors["conv_in.bias"]
    if fault == "shape":
        tensors["conv_in.bias"] = torch.zeros(3)
    folder = write(tmp_path, published_config(), tensors)
    if fault == "no config":
        (folder / CONFIG).unlink()
    if fault == "another network":
        (folder / CONFIG).write_text('{"down_block_types": ["DownBlock2D"]}')
    if fault == "no weights":
        (folder / FILE).unlink()
    if fault == "cut off":
        (folder / FILE).write_bytes((folder / FILE).read_bytes()[:1000])
    with pytest.raises(WeightsError) as caught:
        _hotshot_unet.read(folder, torch.float32)
    assert "\n" not in str(caught.value)
