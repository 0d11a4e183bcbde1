"""Tests where a step's time goes and what a device holds: limits, monotony, and sums that can be done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rushes.cluster import hardware, layout, workload
from rushes.cluster.constants import STACKS
from rushes.cluster.layout import Job, Layout


def job(name: str = "wan-14b", tokens: int = 37440, gpu: str = "h100") -> Job:
    return Job(model=workload.find(name), tokens=tokens, gpu=hardware.find(gpu), stack=STACKS["tuned"])


def test_one_device_only_computes() -> None:
    step = layout.step(job(), Layout(data=1))
    assert step.tensor == step.context == step.data == step.bubble == step.encoding == step.waiting == 0
    assert step.seconds == pytest.approx(step.products + step.attention + step.memory + step.optimizer)


def test_no_device_is_faster_than_its_data_sheet() -> None:
    for spread in (Layout(data=1), Layout(data=64, tensor=8, num_micro=4), Layout(data=8, context=16, pipeline=4)):
        seconds = layout.step(job(), spread).seconds
        assert layout.model_flops(job(), spread, seconds) < job().gpu.bf16_flops


def test_state_is_eighteen_bytes_a_weight_and_sharding_spreads_it() -> None:
    one = job(tokens=1)
    held = layout.memory_bytes(one, Layout(data=1))
    assert held == pytest.approx(one.model.weights * (2 + 4 + 12), rel=0.01)
    spread = layout.memory_bytes(one, Layout(data=64, is_sharded=True))
    assert held / 64 < spread < held / 10  # two blocks stand there gathered


def test_computing_twice_saves_memory_and_costs_a_third() -> None:
    kept, again = Layout(data=8), Layout(data=8, recomputed=1.0)
    assert layout.memory_bytes(job(), again) < layout.memory_bytes(job(), kept)
    before, after = layout.step(job(), kept), layout.step(job(), again)
    assert after.products == pytest.approx(before.products * 4 / 3)
    assert after.attention == pytest.approx(before.attention * 4 / 3)


def test_the_bubble_shrinks_with_micro_batches() -> None:
    few, many = (Layout(data=1, pipeline=8, virtual=2, num_micro=n) for n in (8, 64))
    shares = [layout.step(job(), each).bubble / layout.step(job(), each).seconds for each in (few, many)]
    assert shares[0] > 5 * shares[1]


def test_traffic_between_servers_costs_more_than_inside() -> None:
    inside, outside = (layout.step(job(), Layout(data=1, context=n, tensor=4)).context for n in (2, 16))
    assert outside > inside


def test_a_slower_encoder_is_paid_in_every_step() -> None:
    bare, loaded = job(), replace(job(), pixels=21e6)
    assert layout.step(loaded, Layout(data=1)).encoding == pytest.approx(1.0)
    assert layout.step(bare, Layout(data=1)).encoding == 0


def test_a_layout_says_what_it_is() -> None:
    spread = Layout(data=16, tensor=2, context=4, recomputed=0.25, is_sharded=True)
    assert str(spread) == "16 sharded replicas, tensor 2, context 4, 25% of blocks computed twice"
    assert spread.devices == 128
