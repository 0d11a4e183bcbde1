"""The machine's own ceiling: how fast it multiplies matrices of a model's own shapes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

Shape = tuple[int, int, int]


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
    """Return FLOP/s of the `most` costly products in `shapes`, each weighted by its share of the work."""
    place = device()
    costly = sorted(shapes.items(), key=lambda item: -item[1] * item[0][0] * item[0][1] * item[0][2])[:most]
    work = spent = 0.0
    for (m, k, n), times in costly:
        a, b = (torch.randn(size, device=place).to(dtype) for size in ((m, k), (k, n)))
        torch.mm(a, b)
        each: list[float] = []
        began = time.perf_counter()
        while len(each) < 3 or time.perf_counter() - began < seconds / most:
            start = time.perf_counter()
            torch.mm(a, b)
            if place.type == "cuda":
                torch.cuda.synchronize()
            each.append(time.perf_counter() - start)
        work += times * 2.0 * m * k * n
        spent += times * sorted(each)[len(each) // 2]
    return work / spent if spent else 0.0


def fastest_dtype() -> torch.dtype:
    """Return bfloat16 where the machine multiplies it faster than float32 (AMX, AVX-512 BF16, CUDA), else float32."""
    if torch.cuda.is_available():
        return torch.bfloat16
    shape: Counter[Shape] = Counter({(512, 256, 768): 1})
    fast = rate(shape, torch.bfloat16, seconds=0.05)
    return torch.bfloat16 if fast > rate(shape, torch.float32, seconds=0.05) else torch.float32
