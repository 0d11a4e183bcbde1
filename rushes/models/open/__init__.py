"""Open-weight families: one file each, exporting SPEC, an `OpenFamily`; they take the same requests as our own model.

What a family says of itself is read without torch or diffusers; only `load` imports them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rushes.tiers import Native
from rushes.types import Estimate, Factors, GenerationRequest

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is published about the denoiser's weights: tensors in the index, parameters, bytes of all shards; 0 unknown.

    `source` says where that stands.
    """

    num_tensors: int = 0
    num_parameters: int = 0
    total_bytes: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One set of weights that anybody may download.

    `makes` and `animates` are diffusers' classes that make a film from a text, and from a picture too, with the same
    weights; empty where they can't. `parts` are repositories of components that `repo` lacks, which then holds a
    `based_on`. `denoiser` is the component's name, `denoiser_class` its class, and `architecture` what its config.json
    says beyond that class' own defaults. `cell` is how many frames, rows and columns one token stands for, about;
    `num_parameters` counts one denoiser, of which there are `num_denoisers`, each for its share of the steps;
    `text_parameters` counts the text encoders'. Components in `float32` stay so in every dtype.
    """

    name: str
    repo: str
    licence: str
    num_parameters: int
    native: Native
    makes: str = ""
    animates: str = ""
    parts: tuple[tuple[str, str], ...] = ()
    based_on: str = ""
    denoiser: str = "transformer"
    denoiser_class: str = ""
    architecture: dict[str, Any] = field(default_factory=dict)
    published: Published = field(default_factory=Published)
    cell: Factors = field(default_factory=lambda: Factors(frames=4, height=16, width=16))
    num_denoisers: int = 1
    text_parameters: int = 0
    has_lora: bool = True
    float32: tuple[str, ...] = ()

    @property
    def makes_films(self) -> bool:
        """Return whether it makes films; others make single pictures, for instance for a film to begin with."""
        return self.native.most_frames > 1

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the pipeline classes that its weights can be saved as."""
        return tuple(name for name in (self.makes, self.animates) if name)

    def num_tokens(self, request: GenerationRequest) -> int:
        """Return how many tokens the denoiser reads for a film, about."""
        shape, cell = request.shape, self.cell
        frames = 1 + (shape.frames - 1) // cell.frames
        return max(1, frames * (shape.height * shape.width) // (cell.height * cell.width))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """An adapter to add: its file, and how strongly."""

    path: Path
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and how weights are loaded; `device` and `dtype` are names as in `rushes.nn.machine`.

    `request` is the largest film that is to be made: by it the way of loading is chosen that fits; None: no choice.
    """

    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    request: GenerationRequest | None = None
    adapters: tuple[Adaptation, ...] = ()


Watch = Callable[[int, Any], None]  # (steps done, the clean film by then as `preview` takes it, or None)


class Maker(Protocol):
    """Loaded weights that turn requests into frames; what `rushes.generate.Generator` is for our own model."""

    hashes: dict[str, str]
    device: torch.device
    dtype: torch.dtype

    def record(self, request: GenerationRequest) -> dict[str, Any]: ...
    def generate(self, request: GenerationRequest, watch: Watch) -> Iterator[np.ndarray]: ...
    def preview(self, clean: Any) -> np.ndarray: ...
    def estimate(self, request: GenerationRequest) -> Estimate: ...


Load = Callable[[Checkpoint, Path, Place], Maker]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFamily:
    """What a family's file exports: its checkpoints, and `load(checkpoint, folder, place)`, which returns a Maker."""

    name: str
    checkpoints: tuple[Checkpoint, ...]
    load: Load
