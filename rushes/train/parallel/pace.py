"""Which process is slow, and at what: making its batches, or computing."""

from __future__ import annotations

import os
import socket
import statistics
import time
from typing import NamedTuple

import torch

from rushes.train.parallel.world import World

SLOW = 1.5  # times the median
LEAST_S = 0.01  # of a step: less is noise
PROBE = (256, 4)  # width of a matrix, and how often it is multiplied


class Times(NamedTuple):
    """One process over an interval: where it is, seconds a step of making batches, seconds of a fixed computation."""

    place: str
    batch_s: float
    probe_s: float


class Pace:
    """Times one process where the others cannot hide it: before the model is asked, and on work of its own.

    Inside the model every process waits for the slowest, so there all look alike.
    """

    def __init__(self, world: World, device: torch.device) -> None:
        self.world = world
        self.place = f"{socket.gethostname()}, process {os.getpid()}"
        self.matrix = torch.randn(PROBE[0], PROBE[0], device=device)
        self.began, self.spent, self.steps = 0.0, 0.0, 0

    def begin(self) -> None:
        """A step begins."""
        self.began, self.steps = time.perf_counter(), self.steps + 1

    def ready(self) -> None:
        """Its batch is there."""
        self.spent += time.perf_counter() - self.began

    def _probe(self) -> float:
        began = time.perf_counter()
        product = self.matrix
        for _ in range(PROBE[1]):
            product = self.matrix @ product * 0.01
        product.sum().item()
        return time.perf_counter() - began

    def report(self) -> list[str]:
        """Return a line for each slow process, alike on all of them, and begin an interval."""
        mine = Times(self.place, self.spent / max(1, self.steps), min(self._probe() for _ in range(3)))
        self.spent, self.steps = 0.0, 0
        return slow(self.world.gather(mine))


def slow(times: list[Times]) -> list[str]:
    """Return a line for each process that takes much longer than the median one."""
    lines = []
    for name, values in (("batches take", [t.batch_s for t in times]), ("computing takes", [t.probe_s for t in times])):
        median = statistics.median_low(values)
        for rank, value in enumerate(values):
            if value > SLOW * median and value - median > LEAST_S:
                ratio = value / max(median, 1e-6)
                lines.append(f"process {rank} ({times[rank].place}) is slow: its {name} {ratio:.1f}x the median")
    return lines
