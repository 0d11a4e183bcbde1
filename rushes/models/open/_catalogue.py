"""Which open-weight models there are, and which one a name, an address or a folder means."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes import registry
from rushes.errors import InputError, WeightsError, nearest_first
from rushes.models.open import Checkpoint, OpenFamily
from rushes.tiers import MODEL

INDEX = "model_index.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A model: its family, its checkpoint, and the folder that was named instead of it, if one was."""

    family: OpenFamily
    checkpoint: Checkpoint
    folder: Path | None = None


def families() -> list[OpenFamily]:
    """Return every family that is a file of this package; `memory` plans for all of them and is none."""
    return [registry.find("models.open", name) for name in registry.names("models.open") if name != "memory"]


def models() -> dict[str, Found]:
    """Return every model by its name."""
    return {
        checkpoint.name: Found(family=family, checkpoint=checkpoint)
        for family in families()
        for checkpoint in family.checkpoints
    }


def find(name: str) -> Found:
    """Return the model that `name` means: one of `models`, an address of a server, or a folder of weights.

    Raises:
        InputError: there is no such model; the known ones are named, nearest first.
        WeightsError: a folder that holds weights of none.
    """
    known = models()
    if name in known:
        return known[name]
    if name.startswith(("http://", "https://")):
        family: OpenFamily = registry.find("models.open", "remote")
        return Found(family=family, checkpoint=family.checkpoints[0])
    if Path(name).is_dir():
        return recognised(Path(name))
    near = difflib.get_close_matches(name, [MODEL, *known], n=3) or [MODEL]
    said = f"there is no model {name!r}; known: {', '.join(near)} and others (rushes models)"
    raise InputError(f"{said}; or name a folder of weights")


def recognised(folder: Path) -> Found:
    """Return whose weights lie in a folder: its `model_index.json` names the class, the denoiser's config the size.

    Raises:
        WeightsError: no such file, or a class that no family makes films with.
    """
    named = class_name(folder)
    able = [found for found in models().values() if named in found.checkpoint.classes]
    if not able:
        known = nearest_first(named, {name for found in models().values() for name in found.checkpoint.classes})
        raise WeightsError(f"{folder} holds a {named}; known: {known}")
    best = max(able, key=lambda found: _likeness(found.checkpoint, folder))
    return Found(family=best.family, checkpoint=best.checkpoint, folder=folder)


def class_name(folder: Path) -> str:
    """Return the class of the pipeline that lies in a folder. Raises: WeightsError."""
    return str(read_json(folder / INDEX).get("_class_name"))


def read_json(path: Path) -> dict[str, Any]:
    """Return what a JSON file says. Raises: WeightsError where it is missing, damaged, or no mapping."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WeightsError(f"there are no weights in {path.parent}: {path.name} is missing") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} can't be read: {error}") from None
    if not isinstance(values, dict):
        raise WeightsError(f"{path} is no JSON object")
    return values


def _likeness(checkpoint: Checkpoint, folder: Path) -> int:
    """Return how many of a checkpoint's marks a folder's denoiser bears."""
    path, second = folder / checkpoint.denoiser / "config.json", f"{checkpoint.denoiser}_2"
    says = read_json(path) if path.is_file() else {}
    has_two = (read_json(folder / INDEX).get(second) or [None])[0] is not None
    alike = sum(says.get(key) == value for key, value in checkpoint.architecture.items())
    return alike - 100 * (has_two != (checkpoint.num_denoisers == 2))
