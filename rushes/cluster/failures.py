"""What failing servers cost a run: an event simulation, the closed form beside it, and the best checkpoint interval.

A synchronous run stops when any of its servers stops. The stop is noticed, everything is started again from the last
checkpoint that is whole, and the work since then is done again. A server may also turn slow and slow all down until it
is found. Times are seconds; the same seed gives the same run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from rushes.cluster.hardware import Gpu
from rushes.errors import InputError

MOST_STOPS = 200_000
CHECKPOINT_BYTES = 12.0  # a weight: measured here (benchmarks/plan_calibration.py); BLOOM's 2.3 TB for 176 B are 13
STORE_RATE = 125e6  # bytes a second that storage takes for each device: Llama 3's 2 TB/s for 16,384; assumed elsewhere
STORE_MOST = 2e12
COPY_RATE = 20e9  # bytes a second from a device to its host; assumed
BARRIER_S = 2.0  # all devices meet before a checkpoint is copied; assumed
DETECT_S, RESTART_S = 180.0, 420.0  # to notice a stop, and to start again; assumed
SHARED_DAYS = 47.7 * 8  # between stops of one accelerator's job in a cluster shared by many: RSC-1's jobs of 8 A100
DOWN_S = DETECT_S + RESTART_S
SLOW_PER_FAILURE, SLOW_SHARE, SLOW_FOUND_S = 0.1, 0.15, 3600.0  # servers that turn slow; assumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a run fails and comes back.

    Failures come `between_failures_s` apart on average. A checkpoint every `interval_s` of work stops training for
    `pause_s` and is whole `write_s` after that. Slow servers come `between_slow_s` apart, make every step longer by
    `slow_share`, and are replaced after `slow_found_s`.
    """

    between_failures_s: float
    interval_s: float
    detect_s: float = DETECT_S
    restart_s: float = RESTART_S
    pause_s: float = BARRIER_S
    write_s: float = 0.0
    between_slow_s: float = math.inf
    slow_share: float = SLOW_SHARE
    slow_found_s: float = SLOW_FOUND_S

    def __post_init__(self) -> None:
        if not self.interval_s > 0:
            raise InputError(f"a checkpoint interval of {self.interval_s:g} s is illegal; it must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it went: of `wall_s`, `useful_s` were work that lasted; the rest was lost, paused, down or slow."""

    wall_s: float
    useful_s: float
    lost_s: float
    paused_s: float
    down_s: float
    slow_s: float
    stops: int

    @property
    def goodput(self) -> float:
        """The share of the time on the clock that moved the model on."""
        return self.useful_s / self.wall_s


def between_failures_s(gpu: Gpu, num_gpus: int, *, is_shared: bool = False) -> float:
    """Return the mean seconds between stops of a job on so many accelerators.

    In a cluster of its own it stops as its servers fail. Where `is_shared`, it stops as research jobs do in a cluster
    of many users, of whatever kind of failure: by the rate of RSC-1's jobs of 8 (47.7 days, arXiv 2410.21680), and n
    servers n times as often. Source: measured on A100; assumed of all others.
    """
    return (SHARED_DAYS if is_shared else gpu.days_per_failure) * 86400 / num_gpus


def usual(
    gpu: Gpu, num_gpus: int, weights: float, *, down_s: float = DOWN_S, is_async: bool = True, is_shared: bool = False
) -> Run:
    """Return a run of a model on accelerators as they usually fail, with the best interval between checkpoints.

    A stop takes `down_s` and the reading of the checkpoint. Where `is_async`, training waits only until the state is
    copied to the hosts, and storage gets it meanwhile. `is_shared` as in `between_failures_s`.
    """
    size = CHECKPOINT_BYTES * weights
    write = size / min(STORE_RATE * num_gpus, STORE_MOST)
    between = between_failures_s(gpu, num_gpus, is_shared=is_shared)
    run = Run(
        between_failures_s=between,
        interval_s=1.0,
        detect_s=down_s * DETECT_S / DOWN_S,
        restart_s=down_s * RESTART_S / DOWN_S + write,  # what was written has to be read
        pause_s=BARRIER_S + (size / num_gpus / COPY_RATE if is_async else write),
        write_s=write if is_async else 0.0,
        between_slow_s=between / SLOW_PER_FAILURE,
    )
    return replace(run, interval_s=best_interval(run))


def young(run: Run) -> float:
    """Return the interval of Young (1974): the square root of twice the pause times the time between failures."""
    return math.sqrt(2 * run.pause_s * run.between_failures_s)


def best_interval(run: Run) -> float:
    """Return the interval with the best expected goodput; checkpoints follow each other no closer than they write.

    A search around Young's interval, by the closed form of `expected`.
    """
    guess = max(young(run), run.write_s, 1e-3)
    tries = np.geomspace(max(guess / 8, run.write_s, 1e-3), guess * 8, 400)
    return float(max(tries, key=lambda each: expected(replace(run, interval_s=float(each))).goodput))


def expected(run: Run, work_s: float = 1.0) -> Outcome:
    """Return the expected outcome of `work_s` of work.

    Source: J. T. Daly, "A higher order estimate of the optimum checkpoint interval" (2006), equation 20, with a restart
    that starts anew when it fails; a checkpoint that is whole `write_s` late loses that much more per failure.
    """
    mean, back = run.between_failures_s, run.detect_s + run.restart_s
    segment = run.interval_s + run.pause_s
    if (back + segment + run.write_s) / mean > 50:
        return Outcome(
            wall_s=math.inf, useful_s=work_s, lost_s=math.inf, paused_s=0, down_s=math.inf, slow_s=0, stops=MOST_STOPS
        )
    slowed = run.slow_found_s / run.between_slow_s * run.slow_share
    per_interval = mean * math.exp(back / mean) * math.expm1((segment + run.interval_s * slowed) / mean)
    whole = per_interval * work_s / run.interval_s * (1 + run.write_s / mean)
    whole *= 1 + run.restart_s / run.between_slow_s
    stops, paused = whole / mean, work_s / run.interval_s * run.pause_s
    slow, down = work_s * slowed, stops * back + whole / run.between_slow_s * run.restart_s
    lost = max(0.0, whole - work_s - paused - slow - down)
    return Outcome(
        wall_s=whole, useful_s=work_s, lost_s=lost, paused_s=paused, down_s=down, slow_s=slow, stops=round(stops)
    )


def exponential(mean_s: float, seed: int) -> Iterator[float]:
    """Yield moments, for ever, that lie `mean_s` apart on average and know nothing of each other."""
    if math.isinf(mean_s):
        return
    dice, now = np.random.default_rng(seed), 0.0
    while True:
        for step in dice.exponential(mean_s, 256):
            now += float(step)
            yield now


def simulate(run: Run, work_s: float, *, seed: int = 0, failures: Iterable[float] | None = None) -> Outcome:
    """Return what happened to `work_s` of work, with failures at given moments on the clock or drawn by the seed.

    Raises:
        InputError: it would never end, for a restart takes longer than the time to the next failure.
    """
    return _Clock(run, work_s, seed, failures).run_out()


class _Clock:
    """The state of a simulated run; moments are on the clock, `done` and `safe` count work."""

    def __init__(self, run: Run, work_s: float, seed: int, failures: Iterable[float] | None) -> None:
        self.run, self.work = run, work_s
        drawn = exponential(run.between_failures_s, seed) if failures is None else iter(failures)
        self.failures = itertools.chain(drawn, itertools.repeat(math.inf))
        self.next_failure = next(self.failures)
        self.slows = itertools.chain(exponential(run.between_slow_s, seed + 1), itertools.repeat(math.inf))
        self.next_slow, self.slow_until = next(self.slows), -math.inf
        self.now = self.done = self.safe = 0.0
        self.writing: tuple[float, float] | None = None  # when it will be whole, and how much work it holds
        self.lost = self.paused = self.down = self.slow = 0.0
        self.stops = 0

    def run_out(self) -> Outcome:
        while self.done < self.work:
            if self.stops > MOST_STOPS:
                raise InputError(
                    f"a run that fails every {self.run.between_failures_s:.0f} s and takes "
                    f"{self.run.detect_s + self.run.restart_s:.0f} s to come back does not end; plan fewer accelerators"
                )
            self._advance()
        return Outcome(
            wall_s=self.now, useful_s=self.work, lost_s=self.lost, paused_s=self.paused, down_s=self.down,
            slow_s=self.slow, stops=self.stops,
        )  # fmt: skip

    def _advance(self) -> None:
        """Work to the next event: a checkpoint, the end, a failure, a server that turns slow or is found."""
        self._turn()
        rate = 1 / (1 + self.run.slow_share) if self.now < self.slow_until else 1.0
        marks = math.floor(self.done / self.run.interval_s + 1e-9) + 1
        goal = min(self.work, marks * self.run.interval_s)
        until = min(self.now + (goal - self.done) / rate, self.next_failure, self.next_slow)
        until = min(until, self.slow_until) if rate < 1 else until
        gained = (until - self.now) * rate
        self.slow += (until - self.now) - gained
        self.done, self.now = min(self.done + gained, goal), until
        if self.now >= self.next_failure:
            self._fail()
        elif goal - self.done < 1e-9 and self.done < self.work:
            self._keep()

    def _turn(self) -> None:
        """Let a server turn slow, or replace one that was slow long enough: the run starts again where it is."""
        if self.slow_until > -math.inf and self.now >= self.slow_until:
            self.slow_until = -math.inf
            self._wait(self.run.restart_s)
        if self.now >= self.next_slow:
            self.slow_until = self.now + self.run.slow_found_s
            while self.next_slow <= self.now:
                self.next_slow = next(self.slows)

    def _keep(self) -> None:
        """Pause for a checkpoint; a failure during the pause leaves the one before."""
        end = self.now + self.run.pause_s
        if end > self.next_failure:
            self.paused += self.next_failure - self.now
            self.now = self.next_failure
            self._fail()
            return
        self._settle()
        self.paused += self.run.pause_s
        self.now, self.writing = end, (end + self.run.write_s, self.done)

    def _settle(self) -> None:
        if self.writing is not None and self.writing[0] <= self.now:
            self.safe = self.writing[1]

    def _fail(self) -> None:
        """Fall back to the last whole checkpoint; a failure while coming back starts that anew."""
        self._settle()
        self.lost += self.done - self.safe
        self.done, self.writing = self.safe, None
        self._stop()
        self._wait(self.run.detect_s + self.run.restart_s)

    def _stop(self) -> None:
        self.stops += 1
        self.next_failure = next(self.failures)

    def _wait(self, seconds: float) -> None:
        """Be down for so long, and longer for every failure on the way."""
        end = self.now + seconds
        while self.next_failure < end and self.stops <= MOST_STOPS:
            end = max(end, self.next_failure + self.run.detect_s + self.run.restart_s)
            self._stop()
        self.down += end - self.now
        self.now = end
