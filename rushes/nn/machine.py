"""What a machine offers a model: its accelerator, its fastest dtype, its cores one by one, and memory that is kept."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from rushes.errors import InputError, nearest_first

Shape = tuple[int, int, int]
AtOnce = Callable[[Sequence[Callable[[], Any]]], list[Any]]

AUTO = "auto"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Less than this is no reason to round: on an accelerator where both are about as fast, two runs must choose the same.
WORTHWHILE = 1.5
TRIAL: Shape = (4096, 4096, 4096)
KEPT_BYTES = 1 << 30


def device(name: str = AUTO) -> torch.device:
    """Return the device called `name`: auto (the accelerator that torch sees, else the CPU), cpu, cuda, cuda:1, mps.

    Raises:
        InputError: no such device here; the ones that there are, nearest first.
    """
    found = ["cpu"]
    if torch.backends.mps.is_available():
        found.insert(0, "mps")
    if torch.cuda.is_available():
        found = ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count())), *found]
    if name == AUTO:
        return torch.device(found[0])
    if name not in found:
        raise InputError(f"there is no device {name!r} here; there are: {nearest_first(name, [*found, AUTO])}")
    return torch.device(name)


def dtype(name: str, place: torch.device) -> torch.dtype:
    """Return the dtype called `name`: auto (the fastest on `place`), float32 or bfloat16. Raises: InputError."""
    if name == AUTO:
        return fastest_dtype(place)
    if name not in DTYPES:
        raise InputError(f"dtype {name!r} is unknown; legal: {nearest_first(name, [*DTYPES, AUTO])}")
    return DTYPES[name]


def fastest_dtype(place: torch.device) -> torch.dtype:
    """Return bfloat16 where `place` multiplies it much faster than float32, else float32.

    A processor is asked what it has, never timed: a busy one would answer otherwise from one film to the next, and the
    same request would make two films. Those with AMX multiply bfloat16 four to eight times as fast.
    """
    if place.type == "cpu":
        return torch.bfloat16 if torch.cpu.get_capabilities().get("amx_bf16") else torch.float32
    shape: Counter[Shape] = Counter({TRIAL: 1})
    low, exact = (rate(shape, each, place=place, seconds=0.02) for each in (torch.bfloat16, torch.float32))
    return torch.bfloat16 if low > WORTHWHILE * exact else torch.float32


def rate(
    shapes: Counter[Shape], dtype: torch.dtype, *, place: torch.device, most: int = 8, seconds: float = 1.5
) -> float:
    """Return FLOP/s of the `most` costly products in `shapes`, each weighted by its share of the work."""
    costly = sorted(shapes.items(), key=lambda item: -item[1] * item[0][0] * item[0][1] * item[0][2])[:most]
    work = spent = 0.0
    for (m, k, n), times in costly:
        a, b = (torch.randn(size, device=place).to(dtype) for size in ((m, k), (k, n)))
        torch.mm(a, b)
        wait(place)
        each: list[float] = []
        began = time.perf_counter()
        while len(each) < 3 or time.perf_counter() - began < seconds / most:
            start = time.perf_counter()
            torch.mm(a, b)
            wait(place)
            each.append(time.perf_counter() - start)
        work += times * 2.0 * m * k * n
        spent += times * sorted(each)[len(each) // 2]
    return work / spent if spent else 0.0


def seconds(work: Callable[[], object], place: torch.device) -> float:
    """Return how long `work` takes on `place`: the shorter of two runs, since the first one warms up."""
    spent = []
    for _ in range(2):
        began = time.perf_counter()
        work()
        wait(place)
        spent.append(time.perf_counter() - began)
    return min(spent)


def wait(place: torch.device) -> None:
    """Return when an accelerator has done all that it was given; the CPU always has."""
    if place.type == "cuda":
        torch.cuda.synchronize(place)
    elif place.type == "mps":
        torch.mps.synchronize()


def keep_memory() -> None:
    """Ask glibc to keep what a step frees for the next step, in this process, from now on; elsewhere do nothing.

    By default it gives large buffers back to the system, which maps and clears them anew: a fifth of the time of
    denoising ten seconds (53,000 page faults a step), for the same peak memory.
    """
    if sys.platform == "linux":
        choose = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if choose:
            trim_threshold, mmap_threshold = -1, -3  # malloc.h
            choose(mmap_threshold, KEPT_BYTES)
            choose(trim_threshold, KEPT_BYTES)


@contextlib.contextmanager
def tiny_as_zero() -> Iterator[None]:
    """Let the calling thread count numbers below the normal ones as zero for the body (or function), not for ever.

    Left on, it would change the arithmetic of whoever called; hypothesis refuses to draw floats then.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def work_with(threads: int) -> None:
    """Let the calling thread alone compute with `threads` cores; tiny numbers count as zero, as they do elsewhere."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


@contextlib.contextmanager
def abreast(num: int) -> Iterator[AtOnce]:
    """Give the body a function that does up to `num` pieces of work at once, each on its own share of torch's cores.

    Equal pieces scale better so than when every product is shared out: nobody waits for anybody inside a piece. The
    results do not depend on how many run at once, as long as each has one core.
    """
    threads = torch.get_num_threads()
    at_once = min(num, threads)
    with ThreadPoolExecutor(at_once, initializer=work_with, initargs=(threads // at_once,)) as pool:
        try:
            # A thread has to be told that nothing will be differentiated.
            alike = torch.inference_mode(torch.is_inference_mode_enabled())
            yield lambda pieces: [future.result() for future in [pool.submit(alike(piece)) for piece in pieces]]
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)  # a thread's own number becomes that of the threads after it
