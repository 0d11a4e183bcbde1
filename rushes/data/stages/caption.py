"""What our captioner says of each clip: three sentences, fields with confidence, and an embedding, in one pass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rushes.data.captioning.looking import Showing, show_clip
from rushes.data.decode.analysis import View
from rushes.data.stages import Measure, Stage
from rushes.errors import InputError
from rushes.models.captioner import Captioner, Description
from rushes.nn import weights

REVISION = 1  # raised when the same weights would give other rows
BATCH = 8
COLUMNS = {
    "short": "string",
    "medium": "string",
    "dense": "string",
    "fields": "string",
    "confidence": "float32",
    "embedding": "list<float16>",
}


def version(argument: str) -> str:
    """Return what rows depend on: this stage and the hash of the weights. Raises: WeightsError."""
    return f"{REVISION}-{weights.read_config(Path(argument), family='captioner')['sha256'][:12]}"


def load(argument: str) -> Measure:
    """Return the function that measures; `argument` is the folder of the weights. Raises: WeightsError."""
    captioner = Captioner.from_pretrained(Path(argument))

    def measure(views: Sequence[View]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{} for _ in views]
        showings: dict[int, Showing] = {}
        for index, view in enumerate(views):
            try:
                showings[index] = show_clip(view)
            except InputError as error:
                rows[index] = {"failed": str(error)}
        waiting = list(showings)
        for start in range(0, len(waiting), BATCH):
            some = waiting[start : start + BATCH]
            for index, said in zip(some, describe(captioner, [showings[i] for i in some]), strict=True):
                rows[index] = row(said)
        return rows

    return measure


def describe(captioner: Captioner, showings: Sequence[Showing], *, least: float = 0.5) -> list[Description]:
    """Return what the captioner says of what it is shown; fields of which it is less than `least` sure stay out."""
    return captioner.describe(*tensors(showings), least=least, stills=[one.is_still for one in showings])


def tensors(showings: Sequence[Showing]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what the captioner reads: frames `[b 10 3 90 160]`, times_s `[b 10]`, duration_s `[b]`, details.

    Details are `[b 3 90 160]`, and as the frames in [-1, 1].
    """
    frames = torch.from_numpy(np.stack([one.frames for one in showings])).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    details = torch.from_numpy(np.stack([one.detail for one in showings])).permute(0, 3, 1, 2).float() / 127.5 - 1
    times = torch.from_numpy(np.stack([one.times_s for one in showings]))
    return frames, times, torch.tensor([one.duration_s for one in showings]), details


def row(said: Description) -> dict[str, Any]:
    """Return the stage's columns; `confidence` is the geometric mean over what was said."""
    sure = [value for name, value in said.confidence.items() if name != "quality"]
    return {
        **said.sentences,
        "fields": json.dumps({**said.fields, "confidence": said.confidence}, sort_keys=True),
        "confidence": float(np.exp(np.mean(np.log(np.maximum(sure, 1e-6))))) if sure else 0.0,
        "embedding": said.embedding.astype(np.float16).tolist(),
    }


SPEC = Stage(name="caption", columns=COLUMNS, version=version, load=load)
