"""`--model` and `--first-model`: which model makes a film, and which one the picture that it begins with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes import given
from rushes.cli._adapters import adapt, read_adapters, split
from rushes.cli._film_request import Options, Order
from rushes.media.encode import encode
from rushes.models.open import Adaptation, Place
from rushes.models.open import _catalogue as catalogue
from rushes.models.open import _files as files
from rushes.tiers import MODEL
from rushes.types import GenerationRequest

if TYPE_CHECKING:
    from rushes.models.open import Maker

Say = Callable[[str], None]


def load(options: Options, requests: list[GenerationRequest], names: dict[str, str], say: Say, kind: Any = None) -> Any:
    """Return loaded weights of the model of some requests; `names` are those of the device and the dtype.

    It is a `Maker`, or of our own model a `Generator`, of another `kind` where one is given.

    Raises:
        InputError: no such model, an illegal adapter.
        WeightsError: weights or adapters that are missing, damaged, pickled or another's.
    """
    if requests[0].model != MODEL:
        largest = max(requests, key=lambda each: each.shape.frames * each.shape.height * each.shape.width)
        return _open(options, largest, names)
    from rushes.generate import Generator

    adapters = read_adapters(options.lora)
    generator = (kind or Generator).load(options.weights, threads=options.threads, **names)
    adapt(generator, adapters, say)
    return generator


def _open(options: Options, request: GenerationRequest, names: dict[str, str]) -> Maker:
    found = catalogue.find(request.model)
    typed = [split(text) for text in options.lora]
    adapters = tuple(Adaptation(path=path, scale=scale) for path, scale in typed)
    place = Place(threads=options.threads, request=request, adapters=adapters, **names)
    checkpoint = found.checkpoint
    folder = found.folder or (files.locate(checkpoint) if checkpoint.repo else Path())
    return found.family.load(checkpoint, folder, place)


def begin(options: Options, wanted: list[Order], names: dict[str, str], say: Say) -> list[Order]:
    """Make the pictures that films begin with, where a model was named for them; that model is gone afterwards."""
    pictures = [order.first for order in wanted if order.first is not None]
    if not pictures:
        return wanted
    maker = load(dataclasses.replace(options, lora=()), pictures, names, say)
    return [_begun(maker, order, options, say) for order in wanted]


def _begun(maker: Any, order: Order, options: Options, say: Say) -> Order:
    request = order.first
    assert request is not None
    condition = order.request.condition("first")
    assert condition is not None
    path = Path(condition.uri)
    record = maker.record(request)
    frames = maker.generate(request, _ignore)
    encode(path, frames, fps=request.fps, shape=request.shape, request=record, force=options.force)
    say(f"{path}: the first picture, by {request.model}")
    return dataclasses.replace(order, request=_named(order.request, path))


def _named(request: GenerationRequest, path: Path) -> GenerationRequest:
    """Return the request with the picture's own SHA-256 in its condition."""
    found = [
        dataclasses.replace(each, sha256=given.digest(path)) if each.kind == "first" else each
        for each in request.conditions
    ]
    return dataclasses.replace(request, conditions=tuple(found))


def _ignore(step: int, clean: Any) -> None:
    """A watch that nobody sees."""
