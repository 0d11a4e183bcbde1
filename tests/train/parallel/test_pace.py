"""Tests of the straggler report."""

import time

import pytest
import torch

from rushes.train.parallel.pace import Pace, Times, slow
from rushes.train.parallel.world import World


def test_a_slow_process_is_named_with_what_is_slow() -> None:
    times = [Times(f"host{i}", 0.1, 0.01) for i in range(4)]
    assert slow(times) == []
    times[2] = Times("host2", 0.4, 0.01)
    times[3] = Times("host3", 0.1, 0.05)
    assert slow(times) == [
        "process 2 (host2) is slow: its batches take 4.0x the median",
        "process 3 (host3) is slow: its computing takes 5.0x the median",
    ]


def test_noise_is_no_straggler() -> None:
    assert slow([Times("a", 0.001, 0.002), Times("b", 0.004, 0.001)]) == []


def test_batches_are_timed_until_they_are_ready() -> None:
    pace = Pace(World(), torch.device("cpu"))
    for _ in range(2):
        pace.begin()
        time.sleep(0.02)
        pace.ready()
        time.sleep(0.05)  # the model computes
    assert pace.spent / pace.steps == pytest.approx(0.02, abs=0.02)
    assert pace.report() == [] and pace.steps == 0
