"""Runs a function over items on a Ray cluster; each core watches its own worker, and Ray tries again what nodes lose.

A task of Ray's is one item on one core of one node. There it goes to a `LocalRunner` with one worker process, so that
crashes, silence and memory are dealt with beside the worker, exactly as without a cluster, and what is left for Ray is
what it is good at: placing tasks, and placing them again when a node is gone.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar

import ray
from ray.exceptions import GetTimeoutError, OutOfMemoryError, RayError, RayTaskError

from rushes.data.workers.pool import Beat, Failure, LocalRunner, Work
from rushes.errors import InputError, RushesError

T = TypeVar("T")

PLACE_AGAIN = 5  # times that Ray gives an item to another core when its node or its place there is gone
LOOK_EVERY_S = 1.0
COUNT_EVERY_S = 5.0
NOBODY_S = 300.0
GET_S = 60.0
ANSWER_S = 5.0
STORE_BYTES = 256 << 20  # of a cluster for one run: results are small, and content goes through the dataset's store
ADDRESS = re.compile(r"(?:ray://)?(?:\[(?P<six>[^]]+)\]|(?P<host>[^:/]+)):(?P<port>\d{1,5})")


class RayRunner:
    """As many items at a time as the cluster at `address` has cores, or `workers`; a context manager.

    `address` is `local` (a cluster of this machine, for the run alone), `auto` (the one that this machine is part of),
    `HOST:PORT` or `ray://HOST:PORT`. Limits hold on every core as in `LocalRunner`; an item that is lost with its node
    is given to another core, PLACE_AGAIN times. `on_beat` hears the frames of an item when that is done.

    Raises:
        InputError: no cluster answers there.
    """

    def __init__(
        self,
        address: str,
        workers: int = 0,
        *,
        silent_s: float,
        memory_mb: int,
        tries: int = 2,
        on_beat: Beat = lambda frames: None,
    ) -> None:
        self._workers, self._limits, self._on_beat = workers, (silent_s, memory_mb, tries), on_beat
        self._running: dict[Any, Any] = {}
        self._num = self._workers
        self._counted, self._peopled = 0.0, time.monotonic()
        join(address, workers)
        self._place = ray.remote(num_cpus=1, max_retries=PLACE_AGAIN, scheduling_strategy="SPREAD")(_work)

    def __enter__(self) -> RayRunner:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster, which ends what it still runs for us.

        Not by `ray.cancel`: a task that ends while it is cancelled takes the driver of Ray 2.60 down with it.
        """
        self._running.clear()
        ray.shutdown()

    def map(self, function: Work, items: Iterable[T]) -> Iterator[tuple[T, Any]]:
        """Yield (item, result) or (item, Failure) as they come.

        Raises:
            RushesError: a node cannot run our code, or the cluster has had no core for NOBODY_S seconds.
        """
        source = iter(items)
        while True:
            self._count()
            for item in islice(source, max(0, self._num - len(self._running))):
                self._running[self._place.remote(function, item, self._limits)] = item
            if not self._running:
                return
            for promise in ray.wait(list(self._running), timeout=LOOK_EVERY_S)[0]:
                try:
                    result = self._result(promise)
                except GetTimeoutError:
                    continue  # its node went away with the result; Ray makes it again
                yield self._running.pop(promise), result

    def _count(self) -> None:
        """Follow the number of cores: nodes come and go."""
        now = time.monotonic()
        if now - self._counted < COUNT_EVERY_S:
            return
        self._counted, cores = now, int(ray.cluster_resources().get("CPU", 0))
        if cores:
            self._peopled = now
        elif now - self._peopled > NOBODY_S:
            raise RushesError(f"the Ray cluster has had no core for {NOBODY_S:g} s")
        self._num = self._workers or max(1, cores)

    def _result(self, promise: Any) -> Any:
        try:
            result, num_frames = ray.get(promise, timeout=GET_S)
        except GetTimeoutError:
            raise
        except RayTaskError as error:  # not the item's doing: those become a Failure beside the worker
            raise RushesError(f"a node of the Ray cluster cannot work: {_short(error.cause)}") from None
        except RayError as error:
            kind = "out of memory" if isinstance(error, OutOfMemoryError) else "crashed"
            return Failure(kind=kind, reason=f"{PLACE_AGAIN + 1} times lost with its place in the cluster")
        self._on_beat(num_frames)
        return result


def join(address: str, workers: int) -> None:
    found = ADDRESS.fullmatch(address)
    if found is None and address not in ("local", "auto"):
        raise InputError(f"Ray address {address!r} is illegal; legal are local, auto, HOST:PORT and ray://HOST:PORT")
    here: dict[str, Any] = {}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")  # as polite as the workers of a LocalRunner, not more
        num = workers or len(os.sched_getaffinity(0))
        here = {"num_cpus": num, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    try:
        if found:
            _greet(found["six"] or found["host"], int(found["port"]))
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except (OSError, ValueError, RuntimeError, RayError) as error:
        raise InputError(f"no Ray cluster answers at {address!r} ({_short(error)}); 'local' starts one here") from None


def _greet(host: str, port: int) -> None:
    """Look for a server of Ray's kind, which speaks HTTP/2; Ray itself takes minutes to see that there is none.

    Source: RFC 9113, section 3.4: both sides begin with a frame of SETTINGS, type 4.

    Raises:
        OSError: nobody answers, or somebody else.
    """
    with socket.create_connection((host, port), timeout=ANSWER_S) as line:
        if os.environ.get("RAY_USE_TLS", "0") == "0":
            line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            if line.recv(9)[3:4] != b"\4":
                raise OSError("something else is listening there")


def _short(error: object) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


# On a node


def _work(function: Work, item: Any, limits: tuple[float, int, int]) -> tuple[Any, int]:
    """Return what the worker of this core made of the item, or the Failure, and the number of frames it decoded."""
    runner, frames = _worker(*limits)
    frames.clear()
    ((_, result),) = runner.map(function, [item])
    return result, sum(frames)


@lru_cache(maxsize=1)
def _worker(silent_s: float, memory_mb: int, tries: int) -> tuple[LocalRunner, list[int]]:
    """Return a runner with one worker, kept from item to item, and the list of the frames it hears of."""
    frames: list[int] = []
    return LocalRunner(1, silent_s=silent_s, memory_mb=memory_mb, tries=tries, on_beat=frames.append), frames
