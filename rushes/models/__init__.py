"""The models: one file per family, each exporting SPEC, a `Family`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that what a family says of itself can be read without torch
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What a model file exports: `model(config)` is freshly initialised, `full()` and `tiny()` are configs for it.

    `name` is what weights files record as their family; `tiny` is small enough for tests, `full` is what ships.
    """

    name: str
    config: type
    model: Callable[[Any], nn.Module]
    full: Callable[[], Any]
    tiny: Callable[[], Any]
