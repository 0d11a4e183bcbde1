"""`--lora FILE[:SCALE]`: adapters are read, checked and added to a generator's weights, and its films record them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.errors import InputError

if TYPE_CHECKING:
    from rushes.generate import Generator
    from rushes.nn.lora import Adapter

MOST = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An adapter to add: its file, how strongly, and what is in it."""

    path: Path
    scale: float
    adapter: Adapter


def read_adapters(typed: Sequence[str]) -> list[Wanted]:
    """Read what was typed after `--lora`.

    Raises:
        InputError: an illegal scale.
        WeightsError: no such file, a damaged one, or no adapter.
    """
    from rushes.nn import lora

    found = []
    for text in typed:
        path, scale = split(text)
        found.append(Wanted(path=path, scale=scale, adapter=lora.read(path)))
    return found


def split(text: str) -> tuple[Path, float]:
    """Return the file and the scale of `FILE[:SCALE]`; a file whose own name has a colon needs the scale as well.

    Raises:
        InputError: a scale that is no number, or one outside -100 to 100.
    """
    if Path(text).is_file():
        return Path(text), 1.0
    path, colon, number = text.rpartition(":")
    if not colon:
        return Path(text), 1.0
    try:
        scale = float(number)
    except ValueError:
        scale = math.nan
    if not abs(scale) <= MOST:
        nearest = math.copysign(MOST, scale) if abs(scale) > MOST else 1.0
        raise InputError(f"scale {number!r} of --lora {text} is illegal; the nearest legal value is {nearest:g}")
    return Path(path), scale


def adapt(generator: Generator, wanted: Sequence[Wanted], say: Callable[[str], None]) -> None:
    """Add adapters to the film model, one after the other; the generator's hashes name them from then on.

    Raises:
        WeightsError: an adapter that does not fit these weights.
    """
    from rushes.nn import lora

    base = generator.hashes["film"]
    for one in wanted:
        if one.adapter.base != base:
            say(f"{one.path.name} was made for other film weights ({one.adapter.base[:12]}…, these are {base[:12]}…)")
        lora.merge(generator.film, one.adapter, one.scale)
    if wanted:
        named = ",".join(f"{one.adapter.sha256}:{one.scale:g}" for one in wanted)
        generator.hashes = generator.hashes | {"lora": named}
