"""The processes of one run and what they agree on: who leads, whether to stop, what the mean is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from rushes.errors import InputError, RushesError
from rushes.train.parallel.share import Share

T = TypeVar("T")

PATIENCE = timedelta(days=2)  # while another makes data or a preview; that a process is gone is noticed at once
ATTENTIONS = ("ulysses", "ring")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelConfig:
    """How processes share the work: `copies` of the model, each sharded over as many processes as are left for it.

    `sequence` processes share each film's tokens, whose attention is ulysses or ring; `recompute` keeps no activations
    inside blocks and computes them again. None of it changes what a run learns, so it may change when a run goes on.
    """

    copies: int = 1
    sequence: int = 1
    attention: str = "ulysses"
    recompute: bool = False

    def check(self, size: int) -> None:
        """Raises: InputError where `size` processes cannot be arranged like this."""
        if self.attention not in ATTENTIONS:
            raise InputError(f"attention {self.attention!r} is unknown; legal: {', '.join(ATTENTIONS)}")
        for name, value in (("copies", self.copies), ("sequence", self.sequence)):
            if value < 1 or size % value:
                legal = min((n for n in range(1, size + 1) if size % n == 0), key=lambda n: (abs(n - value), n))
                raise InputError(f"{name} {value} does not divide {size} processes; the nearest legal value is {legal}")


class World:
    """The processes that train together; without arguments it is this one alone."""

    def __init__(self, config: ParallelConfig | None = None, *, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size, self.config = rank, size, config or ParallelConfig()
        self.config.check(size)
        # Words between processes go their own way and never touch an accelerator.
        self.words = dist.new_group(backend="gloo", timeout=PATIENCE) if size > 1 else None
        self.files = dist.new_group(backend="gloo", timeout=PATIENCE) if size > 1 else None  # for who writes meanwhile

    @property
    def share(self) -> Share:
        """Which part of a batch this process computes; those that share their films' tokens share a part."""
        return Share(index=self.rank // self.config.sequence, parts=self.size // self.config.sequence)

    def in_turn(self, work: Callable[[], object]) -> None:
        """Do `work` on the first process of each machine, then on the others, which find what it made."""
        local = int(os.environ.get("LOCAL_RANK", 0)) if self.size > 1 else 0
        failed = None if local else _failure(work)
        self.raise_together(failed)
        if local:
            work()

    def first(self, work: Callable[[], T]) -> T:
        """Do `work` on the first process while the others wait; each gets its result, or raises its error."""
        if self.size == 1:
            return work()
        result: list[Any] = []
        failed = _failure(lambda: result.append(work())) if self.rank == 0 else None
        self.raise_together(failed)
        result = result or [None]
        dist.broadcast_object_list(result, src=0, group=self.words)
        return result[0]

    def raise_together(self, failed: Exception | None) -> None:
        """Raise on every process what one of them failed with: its own error where it has one, else the first."""
        told = failed if failed is None or isinstance(failed, RushesError) else RushesError(repr(failed))
        first = next((each for each in self.gather(told) if each is not None), None)
        if first is not None:
            raise failed or first

    def gather(self, value: T) -> list[T]:
        """Return every process's value, in order."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value, group=self.words)
        return values

    def any(self, flag: bool) -> bool:
        """Return whether the flag is up on any process."""
        if self.size == 1:
            return flag
        raised = torch.tensor(int(flag))
        dist.all_reduce(raised, dist.ReduceOp.MAX, group=self.words)
        return bool(raised)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
            values /= self.size
        return values

    def average(self, gradients: Iterable[Tensor | None]) -> None:
        """Replace each process's gradients by their mean."""
        for gradient in gradients if self.size > 1 else ():
            if gradient is not None:
                self.mean(gradient)


def _failure(work: Callable[[], object]) -> Exception | None:
    try:
        work()
    except Exception as error:
        return error
    return None


def joined() -> bool:
    """Whether this process was started as one of several, by torchrun or by `rushes train --nproc`."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def join(config: ParallelConfig) -> World:
    """Meet the other processes that this one was started with (torchrun's environment says where)."""
    if not joined():
        return World(config)
    local = int(os.environ["LOCAL_RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(local)
        dist.init_process_group("cpu:gloo,cuda:nccl", device_id=torch.device("cuda", local))
    else:
        dist.init_process_group("gloo")
    return World(config, rank=dist.get_rank(), size=dist.get_world_size())


def leave() -> None:
    """Take leave of the others."""
    if dist.is_initialized():
        dist.destroy_process_group()


def is_loss(error: Exception) -> bool:
    """Whether an error says that another process is gone."""
    words = ("gloo", "nccl", "connection", "socket", "store")
    is_ours = isinstance(error, dist.DistError) or type(error) is RuntimeError
    return is_ours and any(word in str(error).lower() for word in words)
