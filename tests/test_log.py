"""Tests that messages reach whatever standard error is now, once, and no deeper than asked."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr

import pytest

from rushes import log


@pytest.fixture(autouse=True)
def untouched_logger() -> Iterator[None]:
    handlers, level = list(log.LOGGER.handlers), log.LOGGER.level
    yield
    log.LOGGER.handlers[:] = handlers
    log.LOGGER.setLevel(level)


def said(message: str, level: int = logging.INFO) -> str:
    with redirect_stderr(io.StringIO()) as stream:
        log.LOGGER.log(level, message)
    return stream.getvalue()


def test_set_up_twice_says_things_once() -> None:
    log.set_up()
    log.set_up()
    assert said("hello") == "hello\n"
    assert said("again") == "again\n"


def test_debug_messages_need_verbose() -> None:
    log.set_up()
    assert said("deep", logging.DEBUG) == ""
    log.set_up(verbose=True)
    assert said("deep", logging.DEBUG) == "deep\n"


def test_standard_output_stays_clean(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up()
    log.LOGGER.warning("careful")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "careful\n")
