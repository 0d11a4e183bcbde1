"""Checkpoints: one folder per kept step, written beside its final name and renamed when it is whole and on disk."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.checkpoint import CheckpointException, HuggingFaceStorageReader

from rushes.errors import RushesError

KEPT = 2
PARTS = "shard-*.safetensors"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def begin(folder: Path, step: int) -> Path | None:
    """Return an empty draft for `folder/step-N`, or None where that is kept already: a run has one state a step."""
    draft = folder / f".step-{step:08d}"
    if (folder / draft.name[1:]).is_dir():
        return None
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    return draft


def commit(draft: Path, step: int, facts: dict[str, Any]) -> Path:
    """Make a draft whose tensors are written a checkpoint, with `facts` (state.json); keeps the last two."""
    folder, final = draft.parent, draft.parent / draft.name[1:]
    (draft / "state.json").write_text(json.dumps({"step": step, **facts}, indent=1))
    for file in draft.iterdir():
        _sync(file)
    _sync(draft)
    draft.rename(final)
    _sync(folder)
    for old in committed(folder)[:-KEPT]:
        shutil.rmtree(old)
    return final


def write(folder: Path, step: int, tensors: dict[str, dict[str, Tensor]], facts: dict[str, Any]) -> Path:
    """Commit `tensors` (one .safetensors per entry) and `facts` as `folder/step-N`."""
    draft = begin(folder, step)
    if draft is None:
        return folder / f"step-{step:08d}"
    for name, group in tensors.items():
        save_file(group, draft / f"{name}.safetensors")
    return commit(draft, step, facts)


def committed(folder: Path) -> list[Path]:
    """Return the whole checkpoints in `folder`, oldest first."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def facts_of(path: Path) -> dict[str, Any]:
    """Read what was kept beside the tensors. Raises: RushesError."""
    try:
        return json.loads((path / "state.json").read_text())
    except (OSError, ValueError) as error:
        raise damaged(path, error) from None


def in_parts(path: Path) -> bool:
    """Whether several processes wrote it, each its own parts of the tensors."""
    return any(path.glob(PARTS))


def read(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what `write` committed, or put together what several processes wrote.

    Raises:
        RushesError: a file in it is damaged.
    """
    facts = facts_of(path)
    try:
        if in_parts(path):
            return _joined(path), facts
        return {p.stem: load_file(p) for p in sorted(path.glob("*.safetensors"))}, facts
    except (OSError, ValueError, SafetensorError, CheckpointException) as error:
        raise damaged(path, error) from None


def _joined(path: Path) -> dict[str, dict[str, Tensor]]:
    reader = HuggingFaceStorageReader(str(path))
    found: dict[str, Any] = reader.read_metadata().state_dict_metadata
    whole = {key: torch.empty(one.size, dtype=one.properties.dtype) for key, one in found.items()}
    with warnings.catch_warnings():  # that one process loads them is meant
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        dcp.load(whole, storage_reader=reader, no_dist=True)
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in whole.items():
        group, _, name = key.partition(".")
        groups.setdefault(group, {})[name] = tensor
    return groups


def damaged(path: Path, error: BaseException) -> RushesError:
    """Return the error that says which checkpoint is damaged, how, and what to do."""
    reason = " ".join(str(error).split())
    return RushesError(f"checkpoint {path} is damaged ({reason}); delete it to go on from the one before")
