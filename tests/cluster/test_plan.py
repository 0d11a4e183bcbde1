"""Tests whole plans: that they add up, scale as they must, and say what is wrong with a question."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rushes.cluster import plan, workload
from rushes.cluster.plan import Ask, Stage
from rushes.errors import InputError
from rushes.types import VideoShape

SMALL = Stage(shape=VideoShape(frames=49, height=256, width=448), share=0.75)
LARGE = Stage(shape=VideoShape(frames=121, height=480, width=832), share=0.25)
ASK = Ask(model=workload.find("wan-14b"), stages=(SMALL, LARGE), clips=10e6, num_gpus=512)


def test_a_plan_adds_up() -> None:
    made = plan.plan(ASK)
    work = sum(stage.num_steps * stage.step.seconds for stage in made.stages)
    assert made.days * 86400 == pytest.approx(work / made.expected.goodput)
    assert made.usd == pytest.approx(512 * made.days * 24 * 2.5)
    assert made.energy_mwh == pytest.approx(made.power_w * made.days * 24 / 1e6)
    assert 0.2 < made.mfu < 0.5
    assert made.simulated is not None
    assert made.simulated.goodput == pytest.approx(made.expected.goodput, abs=0.02)
    samples = sum(stage.num_steps * stage.layout.batch for stage in made.stages)
    assert samples == pytest.approx(10e6, rel=0.01)


def test_twice_the_clips_take_twice_as_long_and_twice_the_price_doubles_the_cost() -> None:
    made, more = plan.plan(ASK), plan.plan(replace(ASK, clips=20e6, hourly_usd=5.0))
    assert more.days == pytest.approx(2 * made.days, rel=0.01)
    assert more.usd == pytest.approx(4 * made.usd, rel=0.01)


def test_more_accelerators_end_sooner_at_a_higher_cost() -> None:
    found = plan.curve(replace(ASK, num_gpus=1024))
    assert [made.ask.num_gpus for made in found] == [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384]
    assert [made.days for made in found] == sorted((made.days for made in found), reverse=True)
    assert found[-1].usd > found[0].usd


def test_the_fewest_accelerators_meet_the_days_and_a_hundredth_less_does_not() -> None:
    best = plan.fewest(ASK, 20.0)
    assert best is not None and best.days <= 20
    fewer = plan.plan(replace(ASK, num_gpus=best.ask.num_gpus - 8 - best.ask.num_gpus // 50))
    assert fewer.days > 20
    assert plan.fewest(replace(ASK, clips=1e12), 1.0) is None


def test_a_shorter_stop_and_checkpoints_beside_training_waste_less() -> None:
    huge = replace(ASK, clips=1e9, num_gpus=100_000, batch=16_384)
    usual, quick, waiting = (
        plan.plan(each) for each in (huge, replace(huge, down_s=60), replace(huge, is_async=False))
    )
    assert quick.expected.goodput > usual.expected.goodput + 0.1
    assert waiting.run.pause_s > usual.run.pause_s and waiting.expected.goodput < usual.expected.goodput


@pytest.mark.parametrize("num_gpus", [1, 200_000])
def test_both_ends_can_be_planned(num_gpus: int) -> None:
    made = plan.plan(replace(ASK, model=workload.find("small-1b"), num_gpus=num_gpus))
    assert made.days > 0 and 0 < made.expected.goodput < 1


def test_the_seed_decides_the_simulation_alone() -> None:
    one, same, other = (plan.plan(replace(ASK, clips=1e9, seed=seed)) for seed in (1, 1, 2))
    assert one.simulated == same.simulated != other.simulated
    assert one.expected == other.expected


def test_values_are_json() -> None:
    values = json.loads(json.dumps(plan.as_values(plan.plan(ASK))))
    assert values["accelerators"] == 512
    assert sum(values["stages"][0]["step_parts_s"].values()) == pytest.approx(values["stages"][0]["step_s"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_gpus": 0}, "nearest legal is 1"),
        ({"num_gpus": 200_001}, "nearest legal is 200,000"),
        ({"clips": 0}, "clips is 0; it must be above 0"),
        ({"stack": "tune"}, "known: tuned, plain"),
        ({"stages": (SMALL,)}, "add up to 75%"),
        ({"gpu": "b20"}, "known: b200"),
        ({"precision": "fp8", "gpu": "a100"}, "legal: bf16"),
    ],
)
def test_what_cannot_be_planned_is_said(change: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        plan.plan(replace(ASK, **change))
