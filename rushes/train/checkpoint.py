"""Checkpoints: one folder per kept step, written beside its final name and renamed when it is whole and on disk."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rushes.errors import RushesError

KEPT = 2


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(folder: Path, step: int, tensors: dict[str, dict[str, Tensor]], facts: dict[str, Any]) -> Path:
    """Commit `tensors` (one .safetensors per entry) and `facts` (state.json) as `folder/step-N`; keeps the last two."""
    final = folder / f"step-{step:08d}"
    draft = folder / f".step-{step:08d}"
    if final.is_dir():  # a run has one state at each step
        return final
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, group in tensors.items():
        save_file(group, draft / f"{name}.safetensors")
        _sync(draft / f"{name}.safetensors")
    (draft / "state.json").write_text(json.dumps({"step": step, **facts}, indent=1))
    _sync(draft / "state.json")
    _sync(draft)
    draft.rename(final)
    _sync(folder)
    for old in committed(folder)[:-KEPT]:
        shutil.rmtree(old)
    return final


def committed(folder: Path) -> list[Path]:
    """Return the whole checkpoints in `folder`, oldest first."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def read(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Read what `write` committed.

    Raises:
        RushesError: a file in it is damaged.
    """
    try:
        facts = json.loads((path / "state.json").read_text())
        return {p.stem: load_file(p) for p in sorted(path.glob("*.safetensors"))}, facts
    except (OSError, ValueError, SafetensorError) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> RushesError:
    """Return the error that says which checkpoint is damaged, how, and what to do."""
    reason = " ".join(str(error).split())
    return RushesError(f"checkpoint {path} is damaged ({reason}); delete it to go on from the one before")
