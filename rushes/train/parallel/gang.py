"""Keeps the processes of one run together: starts them, and when one is lost starts all again at the last checkpoint.

A seat is a place for one process, on this machine or on a Ray cluster's (`ray_seats`). torchrun does the same for
machines that have no cluster.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from rushes.errors import RushesError

LOOK_S = 0.05
GRACE_S = 3.0  # in which the cause of a failure shows beside its consequences
STOPPED = 130
LOST = 75  # the exit code of a process that lost another one (EX_TEMPFAIL)
FAULTS = (1, 2)  # how a process ends that has told what somebody has to do first
FINAL = (0, STOPPED, *FAULTS)  # after these nobody starts again
LEASH = "RUSHES_LEASH"

Line = tuple[int, str]  # 1 standard output, 2 standard error


class Seat(Protocol):
    """A place for one process."""

    def address(self) -> tuple[str, int]:
        """Return host and port at which others can meet the process of this seat."""

    def start(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        """Start Python with these arguments."""

    def poll(self) -> tuple[int | None, list[Line]]:
        """Return its exit code, once it has one (minus a signal's number), and what is to be passed on of its words."""

    def last_words(self) -> str:
        """Return the last line that it said."""

    def send(self, number: int) -> None:
        """Send it a signal, if it is there."""

    def end(self) -> None:
        """Kill it, if it is there, and see it gone."""


class LocalSeat:
    """A process on this machine; the first one says what is to say, the others write into a file."""

    def __init__(self, rank: int, log: Path) -> None:
        self.rank, self.log = rank, log
        self.child: subprocess.Popen[bytes] | None = None

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", free_port()

    def start(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, *arguments]
        here = {**os.environ, **environment, "LOCAL_RANK": str(self.rank)}
        with self.log.open("ab") as file:
            out = None if self.rank == 0 else file
            # In a session of its own, Ctrl-C reaches it through us, once.
            self.child = subprocess.Popen(
                command, env=here, stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True
            )

    def poll(self) -> tuple[int | None, list[Line]]:
        assert self.child is not None
        return self.child.poll(), []

    def last_words(self) -> str:
        return (self.log.read_text(errors="replace").splitlines() or [""])[-1]

    def send(self, number: int) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(number)

    def end(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.communicate()


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as line:
        line.bind(("", 0))
        return line.getsockname()[1]


def leash() -> None:
    """End this process when the one that holds its seat is gone: then its standard input ends."""

    def wait() -> None:
        os.read(0, 1)  # not of sys.stdin, whose lock would be held when Python ends
        os.kill(os.getpid(), signal.SIGKILL)

    if os.environ.get(LEASH):
        threading.Thread(target=wait, daemon=True).start()


class Gang:
    """The processes of one run; `say` hears what happens to them."""

    def __init__(self, seats: Sequence[Seat], arguments: Sequence[str], say: Callable[[Line], None]) -> None:
        self.seats, self.arguments, self.say = seats, arguments, say
        self.asked = 0

    def stop(self) -> None:
        """Ask all to keep their step and end; asked again, they end at once."""
        self.asked += 1
        for seat in self.seats:
            seat.send(signal.SIGTERM)

    def run(self, restarts: int) -> int:
        """Run to the end and return the exit code, starting again after at most `restarts` losses.

        Raises:
            RushesError: one loss too many.
        """
        for again in range(restarts + 1):
            code, who = self._once()
            if code in FINAL or self.asked:
                return code
            lost = f"process {who} of {len(self.seats)} was lost ({how(code)})"
            if again < restarts:
                self.say((2, f"{lost}; all start again from the last checkpoint ({again + 1} of {restarts} times)"))
        raise RushesError(f"{lost}; what was kept is safe: the same command goes on from the last checkpoint")

    def _once(self) -> tuple[int, int]:
        """Start all, wait, end all; returns the exit code that says why, and whose it is."""
        host, port = self.seats[0].address()
        shared = {"WORLD_SIZE": str(len(self.seats)), "MASTER_ADDR": host, "MASTER_PORT": str(port), LEASH: "1"}
        shared |= {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(_threads(len(self.seats)))}
        try:
            for rank, seat in enumerate(self.seats):
                seat.start(self.arguments, shared | {"RANK": str(rank)})
            return self._watch()
        finally:
            for seat in self.seats:
                seat.end()

    def _watch(self) -> tuple[int, int]:
        ended: dict[int, int] = {}
        deadline = float("inf")
        while len(ended) < len(self.seats) and time.monotonic() < deadline:
            for rank, seat in enumerate(self.seats):
                if rank in ended:
                    continue
                code, lines = seat.poll()
                for line in lines:
                    self.say(line)
                if code is not None:
                    ended[rank] = code
            if any(ended.values()):
                deadline = min(deadline, time.monotonic() + GRACE_S)
                if 0 in ended and any(code not in (0, LOST) for code in ended.values()):
                    break
            time.sleep(LOOK_S)
        code, who = _cause(ended)
        if code in FAULTS and ended.get(0) not in FAULTS:  # the first one speaks for all, unless it has nothing to say
            self.say((2, self.seats[who].last_words()))
        return code, who


def _cause(ended: dict[int, int]) -> tuple[int, int]:
    """Return the exit code that explains the others, and whose it is."""
    weights = {0: 3, LOST: 2, STOPPED: 1}
    rank = min(ended, key=lambda rank: (weights.get(ended[rank], 0), rank))
    return ended[rank], rank


def how(code: int) -> str:
    """Return in words how a process with this exit code ended."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _threads(num: int) -> int:
    return max(1, len(os.sched_getaffinity(0)) // num)
