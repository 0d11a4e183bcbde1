"""Runs a function over items in worker processes; one that crashes, hangs or eats memory takes down only itself."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeVar

import psutil

from rushes.errors import RushesError

T = TypeVar("T")
Beat = Callable[[int], None]  # a sign of life, with the number of frames that were decoded since the last one
Work = Callable[[Any, Beat], Any]

BEAT_EVERY_S = 0.2
LOOK_EVERY_S = 0.25
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What became of an item without a result: `kind` is crashed, timed out, out of memory or failed.

    `error` is set where the function raised a RushesError: the run itself cannot go on (a full disk, say).
    """

    kind: str
    reason: str
    error: RushesError | None = None


class Runner(Protocol):
    """Runs `function(item, beat)` somewhere for each item; both must pickle. Results come in any order.

    `items` is asked for the next one only when a worker is free. Trying again after a crash is the runner's.
    """

    def map(self, function: Work, items: Iterable[T]) -> Iterator[tuple[T, Any]]: ...


@dataclass(slots=True, eq=False)
class _Worker:
    child: BaseProcess
    pipe: Connection
    item: Any = None
    tries: int = 0
    is_busy: bool = False
    is_ready: bool = False
    last_sign: float = field(default_factory=time.monotonic)


class LocalRunner:
    """A pool of `workers` processes on this machine, kept from one `map` to the next; a context manager.

    A worker that gives no sign of life for `silent_s` seconds or takes more than `memory_mb` is killed; its item is
    tried `tries` times in all. `on_beat(frames)` hears every sign of life.
    """

    def __init__(
        self, workers: int, *, silent_s: float, memory_mb: int, tries: int = 2, on_beat: Beat = lambda frames: None
    ) -> None:
        self._num, self._silent_s, self._tries, self._on_beat = max(1, workers), silent_s, tries, on_beat
        self._memory_bytes = memory_mb << 20
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("spawn")  # decoders and threads do not survive a fork

    def __enter__(self) -> LocalRunner:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """End every worker, whatever it is doing."""
        for worker in self._workers:
            worker.child.kill()
        for worker in self._workers:
            worker.child.join()
            worker.pipe.close()
        self._workers.clear()

    def map(self, function: Work, items: Iterable[T]) -> Iterator[tuple[T, Any]]:
        """Yield (item, result) or (item, Failure) as they come."""
        source, again = iter(items), deque[tuple[Any, int]]()
        is_empty, looked = False, 0.0
        while True:
            while not is_empty or again:
                worker = self._idle()
                if worker is None:
                    break
                if again:
                    item, tries = again.popleft()
                else:
                    try:
                        item, tries = next(source), 0
                    except StopIteration:
                        is_empty = True
                        continue
                self._give(worker, function, item, tries)
            busy = [worker for worker in self._workers if worker.is_busy]
            if not busy and is_empty and not again:
                return
            ready = wait([worker.pipe for worker in busy], timeout=LOOK_EVERY_S)
            for worker in busy:
                if worker.pipe in ready:
                    yield from self._hear(worker, again)
            if time.monotonic() - looked >= LOOK_EVERY_S:
                looked = time.monotonic()
                for worker in [w for w in self._workers if w.is_busy]:
                    yield from self._look(worker, again)

    def _idle(self) -> _Worker | None:
        for worker in self._workers:
            if not worker.is_busy:
                return worker
        if len(self._workers) >= self._num:
            return None
        ours, theirs = self._context.Pipe()
        child = self._context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
        with _one_thread_each():
            child.start()
        theirs.close()
        worker = _Worker(child, ours)
        self._workers.append(worker)
        return worker

    def _give(self, worker: _Worker, function: Work, item: Any, tries: int) -> None:
        worker.item, worker.tries, worker.is_busy = item, tries + 1, True
        worker.last_sign, worker.is_ready = time.monotonic(), False
        try:
            worker.pipe.send((function, item))
        except (BrokenPipeError, ConnectionResetError):
            return  # it died while idle; `_hear` finds the closed pipe

    def _hear(self, worker: _Worker, again: deque[tuple[Any, int]]) -> Iterator[tuple[Any, Any]]:
        try:
            word, value = worker.pipe.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            worker.child.join(5)
            yield from self._lose(worker, "crashed", _death(worker.child.exitcode), again)
            return
        worker.last_sign = time.monotonic()
        if word == "begun":
            worker.is_ready = True
        elif word == "beat":
            self._on_beat(value)
        else:
            worker.is_busy, item, worker.item = False, worker.item, None
            yield item, value

    def _look(self, worker: _Worker, again: deque[tuple[Any, int]]) -> Iterator[tuple[Any, Any]]:
        """Kill a worker that is silent or too large; importing a network before the first item counts for neither."""
        silent_s = time.monotonic() - worker.last_sign
        if worker.is_ready and silent_s > self._silent_s:
            said = f"no sign of life for {self._silent_s:g} s"
            yield from self._lose(worker, "timed out", said, again)
            return
        try:
            taken = psutil.Process(worker.child.pid).memory_info().rss
        except psutil.Error:
            return  # it is ending; its pipe says how
        if taken > self._memory_bytes:
            said = f"more than {self._memory_bytes >> 20} MB of memory"
            yield from self._lose(worker, "out of memory", said, again)

    def _lose(
        self, worker: _Worker, kind: str, reason: str, again: deque[tuple[Any, int]]
    ) -> Iterator[tuple[Any, Any]]:
        worker.child.kill()
        worker.child.join()
        worker.pipe.close()
        self._workers.remove(worker)
        if worker.tries < self._tries:
            again.append((worker.item, worker.tries))
        else:
            yield worker.item, Failure(kind=kind, reason=reason)


class _one_thread_each:  # noqa: N801 - reads as a verb where it stands
    """While workers start, tell the libraries that one worker is one core."""

    NAMES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self.NAMES}
        os.environ.update({name: "1" for name, value in self._before.items() if value is None})

    def __exit__(self, *failure: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)


def _death(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"the worker was ended by {signal.Signals(-exit_code).name}"
    return f"the worker ended with exit code {exit_code}"


# In the worker


def _serve(pipe: Connection, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says what becomes of us
    _die_with(parent)
    beat = _Beats(pipe)
    while True:
        try:
            function, item = pipe.recv()
        except (EOFError, OSError):
            return
        except Exception as error:  # a function that cannot be imported here is a failure of this item
            pipe.send(("done", Failure(kind="failed", reason=f"{type(error).__name__}: {error}")))
            continue
        pipe.send(("begun", None))
        beat.reset()
        pipe.send(("done", _outcome(function, item, beat)))
        _give_memory_back()


def _outcome(function: Work, item: Any, beat: Beat) -> Any:
    try:
        return function(item, beat)
    except RushesError as error:
        return Failure(kind="failed", reason=str(error), error=error)
    except MemoryError:
        return Failure(kind="out of memory", reason="no memory was left")
    except Exception as error:  # whatever a hostile film does to us is a row of the ledger
        return Failure(kind="failed", reason=f"{type(error).__name__}: {error}")


class _Beats:
    """Signs of life, gathered to a few a second."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._frames, self._last = pipe, 0, 0.0

    def reset(self) -> None:
        self._frames, self._last = 0, time.monotonic()

    def __call__(self, num_frames: int) -> None:
        self._frames += num_frames
        now = time.monotonic()
        if now - self._last >= BEAT_EVERY_S:
            self._pipe.send(("beat", self._frames))
            self._frames, self._last = 0, now


def _die_with(parent: int) -> None:
    """A parent that is killed takes its workers along: they would go on writing beside the run that follows."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _give_memory_back() -> None:
    """Return freed memory to the system; glibc keeps it otherwise, between small objects."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)
