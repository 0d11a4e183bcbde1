"""The models as a worker uses them: our own, loaded once, and open-weight ones, loaded when they are asked for."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from torch import Tensor

from rushes.errors import InputError, nearest_first
from rushes.generate import Generator
from rushes.models import _taught
from rushes.models.open import Maker, Place
from rushes.models.open import _catalogue as catalogue
from rushes.models.open import _files as files
from rushes.nn import lora
from rushes.serve import training
from rushes.serve.client.trainings import TrainingRequest
from rushes.serve.training import Training
from rushes.serve.worker import DENOISING, PAINTING, Watch
from rushes.tiers import MODEL, plan
from rushes.types import GenerationRequest

PREVIEW_S = 0.5
DENOISING_SHARE = 0.6  # of a film's time, about, at any tier
OPEN_SHARE = 0.9  # of an open-weight model's


class ShippedFilm:
    """A `Generator` in the shape of `rushes.serve.worker.Film`."""

    def __init__(
        self, folder: Path, *, device: str = "auto", threads: int = 0, teacher: Training | None = None
    ) -> None:
        self._generator = Generator.load(folder, device=device, threads=threads)
        self._teacher = teacher or Training(folder, threads=threads)
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

    def taught(self, adapters: Sequence[Path]) -> Self:
        """Return the model with the subjects of adapters, beside this one, which stays as it is.

        Raises:
            InputError: an adapter of other weights.
        """
        made = copy.copy(self)
        made._generator = _taught_by(self._generator, [lora.read(path) for path in adapters])
        return made

    def train(self, request: TrainingRequest, stills: Path, folder: Path, watch: training.Watch) -> Path:
        """Teach the cut-out model a subject; return its adapter. Raises: as `Training.run`."""
        return self._teacher.run(request, stills, folder, watch)


def _taught_by(generator: Generator, adapters: Sequence[lora.Adapter]) -> Generator:
    """Return a generator that knows the adapters' subjects and shares everything else with the given one."""
    base, leader = generator.hashes.get("cutout"), generator.leader
    if leader.cutter is None or any(one.base != base or one.model != _taught.FAMILY for one in adapters):
        raise InputError("a trained character was made for other weights; train it again")
    made, cast = copy.copy(generator), _taught.Cast(leader.cutter)
    made.film = copy.copy(generator.film)
    readers = {part.name: copy.copy(getattr(leader, part.name)) for part in fields(leader) if part.name != "cutter"}
    readers = {name: model for name, model in readers.items() if hasattr(model, "vocabulary")}
    for one in adapters:
        cast.add(one)
        for model in (made.film, *readers.values()):
            _taught.tell(model, one)
    made.leader = replace(leader, cutter=cast, **readers)  # type: ignore[arg-type]  # it cuts, too
    made.hashes = generator.hashes | {"lora": ",".join(one.sha256 for one in adapters)}
    return made


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

    def taught(self, adapters: Sequence[Path]) -> Self:
        """Return the same with the subjects of adapters in our own model's films. Raises: as `ShippedFilm.taught`."""
        made = copy.copy(self)
        made._own = self._own.taught(adapters)
        return made

    def train(self, request: TrainingRequest, stills: Path, folder: Path, watch: training.Watch) -> Path:
        """Teach our own model a subject; return its adapter. Raises: as `Training.run`."""
        return self._own.train(request, stills, folder, watch)

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
