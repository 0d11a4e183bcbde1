"""Tests the ledger on both databases: exact sums, no overdraft, settled once, whatever comes at the same time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
import studios
from sqlalchemy.orm import Session

from rushes import tiers
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job, Order
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.members.accounts import User
from rushes.studio.money import ledger
from rushes.studio.money.ledger import Balance, LedgerEntry
from rushes.studio.settings import PlanConfig, PricesConfig
from rushes.types import GenerationRequest, VideoShape

THREADS = 20
PLAN = PlanConfig(monthly_credits=100, daily_s=0)


def a_request(seconds: int = 3) -> GenerationRequest:
    tier = tiers.tier("short")
    shape = replace(tier.shape, frames=8 * seconds)
    return GenerationRequest(prompt="a red car", shape=shape, fps=8, num_steps=2, guidance_scale=3.0)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    changed = {}
    if request.param == "postgresql":
        changed["database"] = request.getfixturevalue("postgres_server").database("ledger")
    with studios.opened(tmp_path_factory.mktemp("studio"), **changed) as house:
        yield house


def ordered(house: House, user: User, plan: PlanConfig = PLAN, cost: int = 6, seconds: int = 3) -> Job:
    with house.database.write() as session:
        balance = ledger.lock(session, user, plan)
        order = Order(request=a_request(seconds), tier="short")
        job = jobs.write(session, user.id, order, priority=1, cost=cost, estimate_s=1.0)
        ledger.reserve(session, balance, job, plan)
        return job


def ended(house: House, job: Job, state: str) -> bool:
    """End a job as a worker does, and settle it."""
    with house.database.write() as session:
        jobs.claim(session, job.id, 0, "a worker")
        is_ended = jobs.end(session, job.id, 0, state)
        if is_ended:
            ledger.settle(session, session.get_one(Job, job.id, populate_existing=True))
        return is_ended


def state_of(session: Session, user: User) -> tuple[int, int, int]:
    """Return the balance, the sum of the entries, and the seconds of today."""
    balance = session.get_one(Balance, user.id, populate_existing=True)
    total = session.scalar(sa.select(sa.func.sum(LedgerEntry.amount)).where(LedgerEntry.account == user.id))
    return balance.credits, int(total), balance.day_s


def test_a_price_is_seconds_times_the_tiers_weight() -> None:
    still = replace(a_request(), shape=VideoShape(frames=1, height=720, width=1280), fps=24)
    prices = PricesConfig(flipbook=1, short=2, feature=6, still=5)
    assert ledger.price(prices, a_request(3), "short") == 6
    assert ledger.price(prices, a_request(10), "feature") == 60
    assert ledger.price(prices, still, "still") == 5


def test_a_film_is_paid_once_and_a_lost_one_given_back(house: House) -> None:
    user, _ = studios.person(house, "payer")
    made, failed, dropped = (ordered(house, user) for _ in range(3))
    with house.database.read() as session:
        assert state_of(session, user) == (82, 82, 9)
    assert [ended(house, made, jobs.SUCCEEDED), ended(house, failed, jobs.FAILED)] == [True, True]
    assert not ended(house, failed, jobs.FAILED)
    with house.database.write() as session:
        assert jobs.cancel(session, dropped.id, ledger.settle)
        assert not jobs.cancel(session, dropped.id, ledger.settle)
    with house.database.write() as session:
        for job in (made, failed, dropped):  # even if somebody settled what is settled
            ledger.settle(session, session.get_one(Job, job.id))
    with house.database.read() as session:
        assert state_of(session, user) == (94, 94, 3)
        kinds = [(entry.kind, entry.amount) for entry in ledger.entries(session, user.id)]
    assert sorted(kinds) == sorted(
        [("grant", 100), *[("reserve", -6)] * 3, ("settle", 0), ("refund", 6), ("refund", 6)]
    )


def test_a_job_that_nobody_paid_for_is_settled_for_nothing(house: House) -> None:
    user, _ = studios.person(house, "gifted")
    with house.database.write() as session:
        job = jobs.write(session, user.id, Order(request=a_request()), priority=1, cost=6, estimate_s=1.0)
        ledger.settle(session, job)
        assert ledger.entries(session, user.id) == []


def test_twenty_orders_at_once_never_overdraw(house: House) -> None:
    user, _ = studios.person(house, "crowd")
    plan = replace(PLAN, monthly_credits=50)

    def one(_: int) -> Job | None:
        try:
            return ordered(house, user, plan)
        except RequestError as error:
            assert (error.status, error.code) == (402, "insufficient_credits")
            return None

    with ThreadPoolExecutor(THREADS) as pool:
        accepted = [job for job in pool.map(one, range(THREADS)) if job]
    assert len(accepted) == 8
    with house.database.read() as session:
        assert state_of(session, user) == (2, 2, 24)
        assert jobs.live_count(session, user.id) == 8
        grants = [entry for entry in ledger.entries(session, user.id) if entry.kind == ledger.GRANT]
        assert [grant.amount for grant in grants] == [50]
    with ThreadPoolExecutor(THREADS) as pool:  # each ending raced by three
        won = list(pool.map(lambda job: ended(house, job, jobs.FAILED), accepted * 3))
    assert won.count(True) == 8
    with house.database.read() as session:
        assert state_of(session, user) == (50, 50, 0)


def test_a_day_has_so_many_seconds_of_film(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    user, _ = studios.person(house, "daily")
    plan = replace(PLAN, daily_s=7)

    def one(_: int) -> bool:
        try:
            return bool(ordered(house, user, plan))
        except RequestError as error:
            assert (error.status, error.code, error.retry_s) == (429, "daily_limit_reached", 0)
            return False

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))).count(True) == 2
    tomorrow = time.time() + 86_400
    monkeypatch.setattr(ledger, "now", lambda: tomorrow)
    assert one(0)
    with house.database.read() as session:
        assert state_of(session, user)[2] == 3


def test_a_month_is_granted_once_and_a_better_plan_adds_the_difference(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, _ = studios.person(house, "monthly")

    def credits(plan_name: str, monthly: int) -> int:
        user.plan = plan_name
        with house.database.write() as session:
            return ledger.lock(session, user, PlanConfig(monthly_credits=monthly)).credits

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: credits("free", 100), range(16))) == {100}
    assert [credits("plus", 600), credits("free", 100), credits("plus", 600), credits("pro", 0)] == [600] * 4
    month = time.time() + 32 * 86_400
    monkeypatch.setattr(ledger, "now", lambda: month)
    assert [credits("plus", 600), credits("plus", 600)] == [1200, 1200]


def test_a_gift_comes_once_for_each_reference(house: House) -> None:
    user, _ = studios.person(house, "lucky")

    def give(reference: str) -> bool:
        with house.database.write() as session:
            return ledger.give(session, user, PLAN, ledger.BOUGHT, 500, reference)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(give, ["payment 1"] * 8)).count(True) == 1
    assert give("payment 2")
    with house.database.read() as session:
        assert state_of(session, user) == (1100, 1100, 0)


def test_a_forgotten_account_leaves_exact_sums_and_no_name(house: House) -> None:
    user, _ = studios.person(house, "leaver")
    ordered(house, user)
    with house.database.write() as session:
        ledger.forget(session, user.id, "gone_1")
    with house.database.read() as session:
        assert ledger.entries(session, user.id) == []
        assert sum(entry.amount for entry in ledger.entries(session, "gone_1")) == 94
