"""Tests the simulation of failures by hand-made traces, and the closed form by the simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.cluster import failures, hardware
from rushes.cluster.failures import Run
from rushes.errors import InputError

PLAIN = Run(between_failures_s=math.inf, interval_s=10, detect_s=1, restart_s=2, pause_s=0.5)


def test_without_failures_only_checkpoints_cost() -> None:
    found = failures.simulate(PLAIN, 100)
    assert (found.stops, found.lost_s, found.down_s) == (0, 0, 0)
    assert found.wall_s == pytest.approx(100 + 9 * 0.5)  # none after the last stretch


def test_a_failure_costs_the_work_since_the_last_checkpoint_and_the_way_back() -> None:
    # 10 s of work, 0.5 s of checkpoint, 4.5 s of work that is lost, 3 s down, the rest again.
    found = failures.simulate(PLAIN, 20, failures=[15.0])
    assert found.lost_s == pytest.approx(4.5)
    assert found.down_s == pytest.approx(3)
    assert found.wall_s == pytest.approx(15 + 3 + 10)


def test_a_failure_while_a_checkpoint_is_written_falls_back_to_the_one_before() -> None:
    slow = replace(PLAIN, pause_s=0.0, write_s=6.0)
    assert failures.simulate(slow, 20, failures=[15.0]).lost_s == pytest.approx(15)
    assert failures.simulate(slow, 20, failures=[17.0]).lost_s == pytest.approx(7)


def test_a_failure_on_the_way_back_starts_that_anew() -> None:
    found = failures.simulate(PLAIN, 20, failures=[5.0, 7.0])
    assert found.stops == 2
    assert found.down_s == pytest.approx(2 + 3)


def test_a_slow_server_costs_its_share_until_it_is_found() -> None:
    slow = replace(PLAIN, interval_s=1e6, between_slow_s=1e4, slow_share=0.25, slow_found_s=500)
    found = failures.simulate(slow, 1e6, seed=3)
    assert found.slow_s == pytest.approx(1e6 / 1e4 * 500 * 0.2, rel=0.3)
    assert found.stops == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(300, 3000), st.floats(2, 200), st.floats(0, 5))
def test_no_second_is_lost_or_invented(seed: int, mean: float, interval: float, write: float) -> None:
    run = Run(
        between_failures_s=mean, interval_s=interval, detect_s=1, restart_s=3, pause_s=0.4, write_s=write,
        between_slow_s=2 * mean, slow_found_s=50,
    )  # fmt: skip
    found = failures.simulate(run, 500, seed=seed)
    parts = found.useful_s + found.lost_s + found.paused_s + found.down_s + found.slow_s
    assert parts == pytest.approx(found.wall_s)
    assert failures.simulate(run, 500, seed=seed) == found


@pytest.mark.parametrize(("mean", "interval", "write"), [(3600, 300, 0), (3600, 900, 60), (900, 120, 10), (400, 60, 0)])
def test_the_closed_form_agrees_with_the_simulation(mean: float, interval: float, write: float) -> None:
    run = Run(
        between_failures_s=mean, interval_s=interval, detect_s=60, restart_s=120, pause_s=5, write_s=write,
        between_slow_s=10 * mean, slow_found_s=600,
    )  # fmt: skip
    simulated = failures.simulate(run, 4e6, seed=1).goodput
    assert failures.expected(run).goodput == pytest.approx(simulated, rel=0.03)


def test_the_best_interval_is_about_youngs_and_nothing_near_is_better() -> None:
    run = Run(between_failures_s=10_000, interval_s=1, pause_s=2)
    best = failures.best_interval(run)
    assert best == pytest.approx(failures.young(run), rel=0.15)
    at = failures.expected(replace(run, interval_s=best)).goodput
    assert all(failures.expected(replace(run, interval_s=best * by)).goodput <= at for by in (0.5, 0.8, 1.25, 2))


def test_llama_stops_as_often_as_it_did() -> None:
    run = failures.usual(hardware.find("h100"), 16384, 405e9)
    found = failures.expected(run, 54 * 86400 * 0.92)
    assert found.stops == pytest.approx(419, rel=0.05)
    assert 0.9 < found.goodput < 0.95  # "higher than 90 %"


def test_a_shared_cluster_stops_jobs_as_often_as_its_small_ones() -> None:
    a100 = hardware.find("a100")
    assert failures.between_failures_s(a100, 8, is_shared=True) == pytest.approx(47.7 * 86400)
    own, shared = (failures.usual(a100, 1024, 7e9, is_shared=each) for each in (False, True))
    assert own.between_failures_s == pytest.approx(28.8 * 3600, rel=0.01)
    assert shared.between_failures_s == pytest.approx(8.94 * 3600, rel=0.01)
    assert shared.interval_s < own.interval_s and failures.expected(shared).goodput < failures.expected(own).goodput


def test_a_run_that_cannot_come_back_says_so() -> None:
    hopeless = Run(between_failures_s=1, interval_s=10, detect_s=60, restart_s=600)
    assert failures.expected(hopeless).goodput == 0
    with pytest.raises(InputError, match="does not end"):
        failures.simulate(hopeless, 100)
    with pytest.raises(InputError, match="must be above 0"):
        Run(between_failures_s=1, interval_s=0)
