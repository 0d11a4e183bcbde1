"""Which part of every batch a process computes: a batch is drawn whole from (seed, step), then cut in equal parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch.distributed as dist
from torch import Tensor
from torch.distributed._functional_collectives import all_gather_single

from rushes.errors import InputError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Part `index` of `parts`; neither order nor randomness of the data depends on how many there are.

    `ready` hears that a batch is there.
    """

    index: int = 0
    parts: int = 1
    ready: Callable[[], None] | None = None

    def of(self, batch: T, *, is_dealt: bool = False) -> T:
        """Return this part of every array and tensor in `batch` (tuples, lists, dicts, dataclasses) along axis 0.

        A part is a stretch of rows; where they are dealt, one row after the other goes to the next part. Plain values
        stay what they are, so what a whole batch shares (a size, a loss's weight) has to be one.

        Raises:
            InputError: the batch cannot be cut in equal parts.
        """
        if self.ready:
            self.ready()
        return batch if self.parts == 1 else self._cut(batch, is_dealt)

    def weight(self, own: int, whole: int) -> float:
        """Return what a mean over `own` of this part's things counts, so that the parts' mean is that over `whole`."""
        return own * self.parts / max(1, whole)

    def gathered(self, tensor: Tensor) -> Tensor:
        """Return every part's tensor, one after the other along axis 0; gradients go back to where each came from."""
        if self.parts == 1:
            return tensor
        everybody = dist.group.WORLD
        assert everybody is not None
        return all_gather_single(tensor.contiguous(), 0, everybody)

    def _cut(self, value: Any, is_dealt: bool) -> Any:
        if isinstance(value, (Tensor, np.ndarray)):
            return value[self._rows(len(value), is_dealt)] if value.ndim else value
        if isinstance(value, tuple):
            parts = [self._cut(each, is_dealt) for each in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        if isinstance(value, list):
            return [self._cut(each, is_dealt) for each in value]
        if isinstance(value, dict):
            return {key: self._cut(each, is_dealt) for key, each in value.items()}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            cut = {each.name: self._cut(getattr(value, each.name), is_dealt) for each in dataclasses.fields(value)}
            return dataclasses.replace(value, **cut)
        return value

    def _rows(self, num: int, is_dealt: bool) -> slice:
        if num % self.parts:
            raise InputError(indivisible(num, self.parts))
        size = num // self.parts
        return slice(self.index, None, self.parts) if is_dealt else slice(self.index * size, (self.index + 1) * size)


def indivisible(num: int, parts: int, what: str = "a batch of {} samples") -> str:
    """Return why `num` cannot be cut in `parts`, and the nearest number of parts that it can be cut in."""
    legal = min((n for n in range(1, num + 1) if num % n == 0), key=lambda n: (abs(n - parts), n))
    return f"{what.format(num)} cannot be shared by {parts} processes; the nearest legal number is {legal}"
