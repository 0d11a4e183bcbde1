"""Where a loss or gradient that is no number comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from rushes.train.parallel.sharding import own
from rushes.train.parallel.world import World


def layer(model: nn.Module, loss: Callable[[], Tensor], world: World) -> str:
    """Return where, on any process, a number stops being one: a layer's output, or backwards a weight's gradient.

    Empty where all are numbers.
    """
    found: list[str] = []

    def look(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def after(module: nn.Module, arguments: Any, result: Any) -> None:
            if not found and any(_is_bad(leaf) for leaf in tree_leaves(result)):
                found.append(name)

        return after

    hooks = [module.register_forward_hook(look(name)) for name, module in model.named_modules() if name]
    try:
        value = loss()
    finally:
        for hook in hooks:
            hook.remove()
    forwards = [f"in the output of {name}" for name in found] or ["in the loss itself"] * _is_bad(value)
    place = _first(world, forwards)
    if place:
        return place
    value.backward()
    # Nearest to the loss first, for that is where gradients begin.
    bad = [name for name, parameter in model.named_parameters() if _is_bad(parameter.grad)]
    return _first(world, [f"in the gradient of {name}" for name in reversed(bad)])


def _first(world: World, places: list[str]) -> str:
    return next((found[0] for found in world.gather(places) if found), "")


def _is_bad(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and not bool(torch.isfinite(own(value)).all())
