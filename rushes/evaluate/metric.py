"""What a file of rushes/evaluate/metrics exports: a metric, its source and the function that measures it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`measure(films, against) -> rows` of plain JSON values.

    `films` is what a model made and `against` what it should be like, in the form that the metric's own docstring
    names; `source` cites the paper.
    """

    name: str
    source: str
    measure: Callable[[Sequence[Any], Sequence[Any]], list[Row]]
