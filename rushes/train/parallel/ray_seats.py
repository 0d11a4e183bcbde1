"""Seats on a Ray cluster: each is an actor that holds one accelerator, or one core, and one process of the run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from rushes.data.workers import ray_cluster
from rushes.errors import RushesError
from rushes.train.parallel.gang import Line, free_port

ANSWER_S = 60.0
PLACE_S = 300.0


class _Place:
    """On a node: one process and what it says."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[str] | None = None
        self.threads: list[threading.Thread] = []
        self.said: list[Line] = []
        self.last = ""

    def address(self) -> tuple[str, int]:
        return ray.util.get_node_ip_address(), free_port()

    def start(self, arguments: list[str], environment: dict[str, str], folder: str) -> None:
        here = {**os.environ, **environment, "LOCAL_RANK": "0"}  # of the one accelerator that it sees
        pipe = subprocess.PIPE
        self.child = subprocess.Popen(
            [sys.executable, *arguments], env=here, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        streams = ((1, self.child.stdout), (2, self.child.stderr))
        self.threads = [threading.Thread(target=self._listen, args=each, daemon=True) for each in streams]
        for thread in self.threads:
            thread.start()

    def _listen(self, number: int, stream: Any) -> None:
        for line in stream:
            self.last = line.rstrip("\n")
            self.said.append((number, self.last))

    def poll(self) -> tuple[int | None, list[Line]]:
        assert self.child is not None
        code = self.child.poll()
        if code is not None:
            for thread in self.threads:
                thread.join()
        said, self.said = self.said, []
        return code, said

    def last_words(self) -> str:
        return self.last

    def send(self, number: int) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(number)


class RaySeat:
    """A seat on a cluster; a node that is gone counts as a killed process, and the next start finds another place."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.actor: Any = None

    def _ask(self, name: str, *arguments: Any, patience_s: float = ANSWER_S) -> Any:
        return ray.get(getattr(self.actor, name).remote(*arguments), timeout=patience_s)

    def sit(self) -> None:
        """Find a place, if there is none."""
        with contextlib.suppress(RayError):
            if self.actor is not None and self._ask("address"):
                return
        need: dict[str, Any] = {"num_gpus": 1} if ray.cluster_resources().get("GPU") else {"num_cpus": 1}
        self.actor = ray.remote(**need)(_Place).remote()

    def address(self) -> tuple[str, int]:
        self.sit()
        try:
            return self._ask("address", patience_s=PLACE_S)
        except GetTimeoutError:
            raise RushesError(f"the Ray cluster has had no place for a process for {PLACE_S:g} s") from None

    def start(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.address()
        self._ask("start", list(arguments), environment, str(Path.cwd()))

    def poll(self) -> tuple[int | None, list[Line]]:
        try:
            code, said = self._ask("poll")
        except RayError:
            return -signal.SIGKILL, []
        return code, said if self.rank == 0 else []

    def last_words(self) -> str:
        with contextlib.suppress(RayError):
            return self._ask("last_words")
        return ""

    def send(self, number: int) -> None:
        with contextlib.suppress(RayError):
            if self.actor is not None:
                self._ask("send", number)

    def end(self) -> None:
        self.send(signal.SIGKILL)


@contextlib.contextmanager
def seats(address: str, num: int) -> Iterator[list[RaySeat]]:
    """Join the cluster at `address` (as curation does) and return `num` seats on it; they are given back at the end.

    Raises:
        InputError: no cluster answers there.
    """
    ray_cluster.join(address, num)
    try:
        yield [RaySeat(rank) for rank in range(num)]
    finally:
        ray.shutdown()
