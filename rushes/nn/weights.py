"""Shipped weights: a folder with model.safetensors and config.json, which records the hash that the file must have."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from rushes import config as configs
from rushes.errors import WeightsError

FILE = "model.safetensors"
CONFIG = "config.json"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(model: nn.Module, folder: Path, *, family: str, config: Any, facts: dict[str, Any] | None = None) -> Path:
    """Write `model` to `folder`: parameters as bfloat16, buffers as they are; `facts` say how it was trained."""
    folder.mkdir(parents=True, exist_ok=True)
    parameters = dict(model.named_parameters())
    tensors = {
        name: (tensor.detach().to(torch.bfloat16) if name in parameters else tensor.detach()).contiguous().cpu().clone()
        for name, tensor in model.state_dict().items()
    }
    draft = folder / f".{FILE}"
    save_file(tensors, draft)
    draft.rename(folder / FILE)
    record = {
        "family": family,
        "sha256": digest(folder / FILE),
        "config": configs.to_dict(config),
        "facts": facts or {},
    }
    draft = folder / f".{CONFIG}"
    draft.write_text(json.dumps(record, indent=1) + "\n")
    draft.rename(folder / CONFIG)
    return folder


def read_config(folder: Path, *, family: str) -> dict[str, Any]:
    """Return the record in `folder`'s config.json.

    Raises:
        WeightsError: no such folder, no valid record, or another family's.
    """
    try:
        record = json.loads((folder / CONFIG).read_text())
    except FileNotFoundError:
        raise WeightsError(f"there are no weights in {folder}: {CONFIG} is missing") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder / CONFIG} can't be read: {error}") from None
    if not isinstance(record, dict) or record.get("family") != family:
        found = record.get("family", "nothing that Rushes wrote") if isinstance(record, dict) else "no record"
        raise WeightsError(f"{folder} holds {found}, not {family} weights")
    if not (isinstance(record.get("sha256"), str) and isinstance(record.get("config"), dict)):
        raise WeightsError(f"{folder / CONFIG} is no whole record: it names no hash or no config")
    return record


def load(model: nn.Module, folder: Path, *, family: str, missing: tuple[str, ...] = ()) -> nn.Module:
    """Fill `model` from `folder`, in float32, ready for inference; weights that begin with `missing` may be absent.

    Raises:
        WeightsError: missing, truncated or foreign weights; both hashes are named.
    """
    record = read_config(folder, family=family)
    path = folder / FILE
    if not path.is_file():
        raise WeightsError(f"{path} is missing; its SHA-256 should be {record.get('sha256')}")
    found = digest(path)
    if found != record.get("sha256"):
        raise WeightsError(
            f"{path} has SHA-256 {found[:16]}…, not {str(record.get('sha256'))[:16]}…: damaged or foreign"
        )
    try:
        tensors = load_file(path)
        fresh = {n: x for n, x in model.state_dict().items() if n.startswith(missing) and n not in tensors}
        model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()} | fresh)
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(f"{path} (SHA-256 {found[:16]}…) does not fit: {str(error).splitlines()[0]}") from None
    return model.eval().requires_grad_(False)
