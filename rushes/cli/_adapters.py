"""`--lora FILE[:SCALE]`: adapters are read, checked and added to a generator's weights, and its films record them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rushes.errors import InputError, WeightsError

if TYPE_CHECKING:
    from rushes.generate import Generator
    from rushes.nn.lora import Adapter

MOST = 100.0
PARTS = {"transformer": "film", "cutout": "cutout"}  # which of the weights an adapter of a family is for


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An adapter to add: its file, how strongly, and what is in it."""

    path: Path
    scale: float
    adapter: Adapter


def read_adapters(typed: Sequence[str]) -> list[Wanted]:
    """Read what was typed after `--lora`.

    Raises:
        InputError: an illegal scale, or two adapters that teach one word.
        WeightsError: no such file, a damaged or pickled one, or no adapter.
    """
    from rushes.nn import lora

    found: list[Wanted] = []
    for text in typed:
        path, scale = split(text)
        one = Wanted(path=path, scale=scale, adapter=lora.read(path))
        for other in found:
            if both := set(one.adapter.words) & set(other.adapter.words):
                raise InputError(f"{other.path} and {path} both teach {min(both)!r}; name one of them")
        found.append(one)
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
    """Add adapters to the models that they are for, one after the other; the generator's hashes name them then.

    Raises:
        WeightsError: an adapter that is for other weights, or for a model that is not there.
    """
    from rushes.models import _taught as taught
    from rushes.nn import lora

    for one in wanted:
        _check(generator, one)
    cast = taught.Cast(generator.leader.cutter) if generator.leader.cutter is not None else None
    for one in wanted:
        if one.adapter.model == taught.FAMILY and cast is not None:
            cast.add(one.adapter, one.scale)
            for model in (generator.film, generator.leader.planner, generator.leader.stager):
                if model is not None:
                    taught.tell(model, one.adapter)
            name, like = one.adapter.facts["name"], one.adapter.facts["like"]
            say(f"{one.path.name} teaches {name!r}: it is drawn as learned, and moves like {taught.said(like)}")
        else:
            lora.merge(generator.film, one.adapter, one.scale)
    if cast is not None and cast.adapters:
        generator.leader = replace(generator.leader, cutter=cast)  # type: ignore[arg-type]  # it cuts, too
    if wanted:
        named = ",".join(f"{one.adapter.sha256}:{one.scale:g}" for one in wanted)
        generator.hashes = generator.hashes | {"lora": named}


def _check(generator: Generator, one: Wanted) -> None:
    """Raise WeightsError for an adapter of another base."""
    part = PARTS.get(one.adapter.model)
    if part is None:
        raise WeightsError(f"{one.path} is for {one.adapter.model!r} weights, which take no adapters here")
    base, made_for = generator.hashes.get(part), one.adapter.base
    if base is None:
        raise WeightsError(f"{one.path} is for {part} weights, and there are none beside the others")
    if made_for != base:
        raise WeightsError(f"{one.path} was made for other {part} weights ({made_for[:12]}…, these are {base[:12]}…)")
