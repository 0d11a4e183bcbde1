"""Tests that the search finds layouts that fit, the fastest first, and says how many devices a model needs."""

from __future__ import annotations

import pytest

from rushes.cluster import hardware, layout, search, workload
from rushes.cluster.constants import STACKS
from rushes.cluster.layout import Job
from rushes.errors import InputError


def job(name: str, tokens: int) -> Job:
    return Job(model=workload.find(name), tokens=tokens, gpu=hardware.find("h100"), stack=STACKS["tuned"])


@pytest.mark.parametrize("num_gpus", [1, 24, 1000, 4096])
def test_what_is_found_fits_and_is_sorted(num_gpus: int) -> None:
    small = job("small-1b", 8192)
    pairs = search.ranked(small, num_gpus, 256)
    assert all(layout.fits(small, each) and each.devices <= num_gpus for each, _ in pairs)
    rates = [each.batch / step.seconds for each, step in pairs]
    assert rates == sorted(rates, reverse=True)


def test_more_devices_are_never_slower() -> None:
    wan = job("wan-14b", 37440)
    rates = []
    for count in (64, 128, 256, 512):
        best, step = search.ranked(wan, count, 2048)[0]
        rates.append(best.batch / step.seconds)
    assert rates == sorted(rates)


def test_too_few_devices_name_how_many_would_do() -> None:
    with pytest.raises(InputError, match=r"does not fit on 8 x H100 .* the nearest number that holds it is 128"):
        search.ranked(job("llama-405b", 46_800), 8, 64)


def test_the_published_layout_of_wan_is_among_the_best() -> None:
    wan = job("wan-14b", 37440)
    pairs = search.ranked(wan, 128, 128)
    best = pairs[0][0].batch / pairs[0][1].seconds
    theirs = next(p for p in pairs if (p[0].tensor, p[0].context, p[0].pipeline) == (2, 4, 1))
    assert theirs[0].batch / theirs[1].seconds > 0.85 * best


def test_kinds_are_different_and_few() -> None:
    kinds = search.best_of_kind(search.ranked(job("wan-14b", 37440), 128, 128))
    splits = [(each.tensor, each.context, each.pipeline, each.is_sharded) for each, _ in kinds]
    assert len(splits) == len(set(splits)) <= 6
