"""Stages measure clips: same clips in, one row per clip out. One file per stage, found by its name, exporting SPEC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rushes.data.decode.analysis import View

Measure = Callable[[Sequence[View]], Iterable[dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One measurement of clips; its rows live in the ledger under `name@version`.

    `columns` maps each column's name to its Arrow type as text (`float32`, `int64`, `string`, `bool`, `binary`,
    `list<float16>`). `load(argument)` returns the function that measures, so that a network is loaded once per worker;
    the argument is the stage's setting in the preset (for a model the folder of its weights, else empty). Rows that
    come one by one are signs of life of a slow stage. `version(argument)` changes whenever rows would. A clip that
    cannot be measured is a dict with the one key `failed`, its reason; the ledger makes of it a row with that outcome.
    """

    name: str
    columns: Mapping[str, str]
    version: Callable[[str], str]
    load: Callable[[str], Measure]
