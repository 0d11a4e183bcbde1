"""Tests that only whole, safe weights of the right family are read, and that what is wrong is one clear line."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import open_weights
import pytest
from safetensors.torch import load_file, save_file

from rushes.errors import WeightsError
from rushes.models.open import Place
from rushes.models.open import _catalogue as catalogue
from rushes.models.open import _files as files

NAME = "wan2.1-1.3b"
SHARD = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return open_weights.save(NAME, tmp_path_factory.mktemp("weights"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / NAME))


def load(folder: Path) -> None:
    found = catalogue.models()[NAME]
    found.family.load(found.checkpoint, folder, Place(device="cpu", dtype="float32", threads=1))


def cut(folder: Path) -> None:
    path = folder / SHARD
    path.write_bytes(path.read_bytes()[:-100])


def garble(folder: Path) -> None:
    (folder / SHARD).write_bytes(b"no safetensors")


def pickle(folder: Path) -> None:
    (folder / SHARD).rename(folder / "transformer/diffusion_pytorch_model.bin")


def lose(folder: Path) -> None:
    (folder / SHARD).unlink()


def lose_index(folder: Path) -> None:
    (folder / "model_index.json").unlink()


def lose_shard(folder: Path) -> None:
    index = {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors"}}
    (folder / "transformer/diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))


def other_family(folder: Path) -> None:
    path = folder / "model_index.json"
    path.write_text(path.read_text().replace("WanPipeline", "LTXPipeline"))


def other_config(folder: Path) -> None:
    path = folder / "transformer/config.json"
    path.write_text(path.read_text().replace('"ffn_dim": 32', '"ffn_dim": 64'))


def other_tensors(folder: Path) -> None:
    tensors = load_file(folder / SHARD)
    save_file({f"model.{name}": tensor for name, tensor in tensors.items()}, folder / SHARD)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (cut, "is truncated: it has"),
        (garble, "is damaged, or no safetensors file"),
        (pickle, "is a pickle, which can run any code"),
        (lose, "there are no weights in"),
        (lose_index, "model_index.json is missing"),
        (lose_shard, "00001-of-00002.safetensors is missing"),
        (other_family, "holds a LTXPipeline, not a WanPipeline"),
        (other_config, "does not fit its config.json"),
        (other_tensors, "its weights are another model's"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(folder)
    with pytest.raises(WeightsError, match=said) as caught:
        load(folder)
    assert len(str(caught.value).splitlines()) == 1


def test_weights_are_found_where_they_lie(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = catalogue.models()[NAME].checkpoint
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(files.PLACE, str(tmp_path))
    assert files.here(checkpoint) is None
    kept = tmp_path / "cache" / f"models--{checkpoint.repo.replace('/', '--')}" / "snapshots" / "0123"
    kept.parent.mkdir(parents=True)
    kept.symlink_to(whole)
    assert files.here(checkpoint) == kept
    monkeypatch.setenv(files.PLACE, str(whole.parent))
    assert files.locate(checkpoint) == whole


def test_a_hub_that_must_not_be_asked_or_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    checkpoint = catalogue.models()[NAME].checkpoint
    monkeypatch.setenv(files.PLACE, str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"neither in .* nor in .*HF_HUB_OFFLINE"):
        files.fetched(checkpoint.repo)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(WeightsError, match="the hub does not answer"):
            files.fetched(checkpoint.repo)


def test_a_fingerprint_tells_files_apart(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "diffusion_pytorch_model.safetensors"
    shutil.copy(whole / SHARD, path)
    same = files.fingerprint([path])
    assert same == files.fingerprint([whole / SHARD])
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert files.fingerprint([path]) != same
