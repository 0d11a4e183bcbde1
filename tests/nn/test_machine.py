"""Tests of what a machine offers: devices and dtypes by name, and pieces of work that run abreast."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
import torch

from rushes.errors import InputError
from rushes.nn import machine

CPU = torch.device("cpu")


def test_devices_have_names() -> None:
    assert machine.device("cpu") == CPU
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert machine.device() == CPU
        with pytest.raises(InputError, match="there is no device 'cuda' here; there are: cpu, auto"):
            machine.device("cuda")


@pytest.mark.gpu
def test_auto_is_the_accelerator() -> None:
    assert machine.device().type in ("cuda", "mps")


def test_dtypes_have_names() -> None:
    assert machine.dtype("float32", CPU) == torch.float32
    assert machine.dtype("bfloat16", CPU) == torch.bfloat16
    assert machine.dtype("auto", CPU) == machine.fastest_dtype(CPU)
    with pytest.raises(InputError, match="dtype 'bfloat' is unknown; legal: bfloat16, float32, auto"):
        machine.dtype("bfloat", CPU)


def test_the_rate_is_that_of_the_machine() -> None:
    assert 1e8 < machine.rate(Counter({(256, 256, 256): 2}), torch.float32, place=CPU, seconds=0.05) < 1e15
    assert machine.rate(Counter(), torch.float32, place=CPU) == 0.0
    assert machine.seconds(lambda: None, CPU) < 1.0


def test_pieces_run_at_once_in_their_own_threads_and_keep_their_order() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    both = threading.Barrier(2, timeout=60)

    def piece(number: int) -> tuple[int, int, int]:
        both.wait()  # comes back only when both pieces run
        return number, torch.get_num_threads(), threading.get_ident()

    try:
        with machine.abreast(2) as at_once:
            results = at_once([lambda: piece(0), lambda: piece(1)])
        assert [result[:2] for result in results] == [(0, 1), (1, 1)]
        assert len({result[2] for result in results} | {threading.get_ident()}) == 3
        assert torch.get_num_threads() == 2
        with machine.abreast(1) as at_once:
            assert at_once([torch.get_num_threads]) == [2]
    finally:
        torch.set_num_threads(before)


def test_a_piece_that_fails_is_heard() -> None:
    def fail() -> None:
        raise InputError("no")

    before = torch.get_num_threads()
    with pytest.raises(InputError, match="no"), machine.abreast(2) as at_once:
        at_once([lambda: None, fail])
    assert torch.get_num_threads() == before


def test_memory_may_be_kept_any_number_of_times() -> None:
    for _ in range(2):
        machine.keep_memory()
    assert torch.ones(1 << 20).sum() == 1 << 20


def test_tiny_numbers_are_zero_for_a_while_only() -> None:
    tiny = torch.tensor(1e-40)
    with machine.tiny_as_zero():
        assert float(tiny * 1.0) == 0.0
    assert float(tiny * 1.0) > 0.0
