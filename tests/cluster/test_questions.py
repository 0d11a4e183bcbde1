"""Tests the answer to Hotshot's question: it is in the range that the team told, and newer hardware needs less."""

from __future__ import annotations

import pytest

from rushes.cluster import questions
from rushes.errors import InputError


def test_hotshots_question_is_answered() -> None:
    answer = questions.ask("hotshot")
    plans = dict(answer.plans)
    then, today = plans["4,096 H100, as then"], plans["B200 SXM 180 GB, four months"]
    assert 1e6 < then.gpu_hours < 1e7  # "millions of H100 hours"
    assert then.days < 120
    assert today.days <= 120 and today.ask.num_gpus < plans["H100 SXM 80 GB, four months"].ask.num_gpus
    assert answer.assumed


def test_another_question_is_unknown() -> None:
    with pytest.raises(InputError, match="known: hotshot"):
        questions.ask("hotshots")
