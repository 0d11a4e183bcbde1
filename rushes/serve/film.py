"""The models as a worker uses them: our own, loaded once, and open-weight ones, loaded when they are asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from rushes.errors import InputError, nearest_first
from rushes.generate import Generator
from rushes.models.open import Maker, Place
from rushes.models.open import _catalogue as catalogue
from rushes.models.open import _files as files
from rushes.serve.worker import DENOISING, PAINTING, Watch
from rushes.tiers import MODEL, plan
from rushes.types import GenerationRequest

PREVIEW_S = 0.5
DENOISING_SHARE = 0.6  # of a film's time, about, at any tier
OPEN_SHARE = 0.9  # of an open-weight model's


class ShippedFilm:
    """A `Generator` in the shape of `rushes.serve.worker.Film`."""

    def __init__(self, folder: Path, *, device: str = "auto", threads: int = 0) -> None:
        self._generator = Generator.load(folder, device=device, threads=threads)
        self.device = str(self._generator.device)

    def frames(self, request: GenerationRequest, watch: Watch) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`; `watch` hears of each step and each frame."""
        shown, num_steps = 0.0, request.num_steps * len(plan(request).windows)

        def step(index: int, clean: Tensor) -> None:
            nonlocal shown
            picture = None
            if time.monotonic() - shown > PREVIEW_S:
                picture, shown = self._generator.preview(clean), time.monotonic()
            watch(DENOISING, DENOISING_SHARE * index / num_steps, picture)

        for index, frame in enumerate(self._generator.generate(request, step)):
            done = (index + 1) / request.shape.frames
            watch(PAINTING, DENOISING_SHARE + (1 - DENOISING_SHARE) * done, None)
            yield frame

    def record(self, request: GenerationRequest) -> dict[str, Any]:
        """Return what a film's file carries: the request, the weights' hashes, how it was made."""
        return self._generator.record(request)


class Films:
    """Our own model and, beside it, those that a studio offers; of these one is loaded at a time, when it is needed."""

    def __init__(self, folder: Path, models: Sequence[str] = (), *, device: str = "auto", threads: int = 0) -> None:
        self._own, self._models = ShippedFilm(folder, device=device, threads=threads), tuple(models)
        self._place = Place(device=device, threads=threads)
        self._loaded: tuple[str, Maker] | None = None
        self.device = self._own.device

    def frames(self, request: GenerationRequest, watch: Watch) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`; `watch` hears of each step and each frame.

        Raises:
            InputError: a model that is not offered here, or something that it can't make.
            WeightsError: its weights are missing, damaged or another's.
        """
        if request.model == MODEL:
            yield from self._own.frames(request, watch)
            return
        maker, shown = self._maker(request), 0.0

        def step(index: int, clean: Any) -> None:
            nonlocal shown
            picture = None
            if clean is not None and time.monotonic() - shown > PREVIEW_S:
                picture, shown = maker.preview(clean), time.monotonic()
            watch(DENOISING, OPEN_SHARE * index / request.num_steps, picture)

        for index, frame in enumerate(maker.generate(request, step)):
            watch(PAINTING, OPEN_SHARE + (1 - OPEN_SHARE) * (index + 1) / request.shape.frames, None)
            yield frame

    def record(self, request: GenerationRequest) -> dict[str, Any]:
        """Return what a film's file carries: the request, the weights' hashes, how it was made."""
        return (self._own if request.model == MODEL else self._maker(request)).record(request)

    def _maker(self, request: GenerationRequest) -> Maker:
        model = request.model
        if self._loaded is None or self._loaded[0] != model:
            if model not in self._models:
                known = nearest_first(model, [MODEL, *self._models])
                raise InputError(f"there is no model {model!r} here; known: {known}")
            self._loaded = None  # before the next one is loaded: there may be memory for one alone
            found, place = catalogue.find(model), replace(self._place, request=request)
            self._loaded = model, found.family.load(found.checkpoint, files.locate(found.checkpoint), place)
        return self._loaded[1]
