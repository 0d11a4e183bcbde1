"""The machine's own ceiling: how fast it multiplies matrices of a model's own shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from rushes.nn import machine
from rushes.nn.machine import Shape


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


# torch 2.13 counts attention on GPUs alone.
ON_CPU = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


class _Products(TorchDispatchMode):
    """Counts the matrix products that run below it, by rows x inner x columns."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: Counter[Shape] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("mm", "addmm"):
            left, right = args[-2], args[-1]
            self.shapes[(left.shape[0], left.shape[1], right.shape[1])] += 1
        return func(*args, **(kwargs or {}))


def count(work: Callable[[], object]) -> tuple[float, Counter[Shape]]:
    """Return the FLOPs of `work` (products, convolutions, attention; forward and backward) and its products' shapes."""
    with _Products() as products, FlopCounterMode(display=False, custom_mapping=ON_CPU) as flops:
        work()
    return float(flops.get_total_flops()), products.shapes


def device() -> torch.device:
    """Return the accelerator if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def rate(shapes: Counter[Shape], dtype: torch.dtype, *, most: int = 8, seconds: float = 1.5) -> float:
    """Return FLOP/s of the `most` costly products in `shapes`, each weighted by its share of the work.

    Work of convolutions alone has no products; a square one stands for it.
    """
    return machine.rate(shapes or Counter({(1024, 1024, 1024): 1}), dtype, place=device(), most=most, seconds=seconds)


def fastest_dtype() -> torch.dtype:
    """Return bfloat16 where the machine multiplies it much faster than float32, else float32."""
    return machine.fastest_dtype(device())
