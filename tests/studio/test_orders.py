"""Tests orders: what a plan allows, what a film costs, and that nothing happens by halves."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
import studios

from rushes import tiers
from rushes.errors import InputError
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job, Order
from rushes.studio import orders
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.members.accounts import SCOPES, Caller
from rushes.studio.money import ledger
from rushes.studio.settings import PlanConfig, PlansConfig
from rushes.studio.trust import reviews
from rushes.types import GenerationRequest, VideoShape

SMALL = PlansConfig(free=PlanConfig(tiers=("flipbook", "short", "still"), live_jobs=3, monthly_credits=50, max_s=5))


def an_order(tier: str = "flipbook", prompt: str = "a red car", **changed: object) -> Order:
    given = tiers.tier(tier)
    request = GenerationRequest(
        prompt=prompt, shape=given.shape, fps=given.fps, num_steps=2, guidance_scale=given.guidance_scale
    )
    return Order(request=request, tier=tier, format="png" if tier == "still" else "mp4", **changed)


def placed(house: House, caller: Caller, order: Order) -> Job:
    with house.database.write() as session:
        return orders.place(house, session, caller, order)


def a_caller(house: House, username: str, plan: str = "free") -> Caller:
    return Caller(user=studios.person(house, username, plan)[0], scopes=frozenset(SCOPES))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    changed = {}
    if request.param == "postgresql":
        changed["database"] = request.getfixturevalue("postgres_server").database("orders")
    with studios.opened(tmp_path_factory.mktemp("studio"), plans=SMALL, **changed) as house:
        yield house


def test_an_order_is_priced_paid_and_queued(house: House) -> None:
    caller = a_caller(house, "buyer")
    job = placed(house, caller, an_order("short"))
    assert (job.state, job.tier, job.cost) == ("queued", "short", 6)
    with house.database.read() as session:
        assert session.get_one(ledger.Balance, caller.user.id).credits == 44
        assert jobs.live_count(session, caller.user.id) == 1


def test_a_repeated_order_is_the_first_and_paid_once(house: House) -> None:
    caller = a_caller(house, "twice")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: placed(house, caller, an_order("short", once="one")), range(8)))
    assert len({job.id for job in made}) == 1
    with house.database.read() as session:
        assert session.get_one(ledger.Balance, caller.user.id).credits == 44


def test_many_at_once_never_pass_the_plan(house: House) -> None:
    caller = a_caller(house, "eager")

    def one(_: int) -> bool:
        try:
            return bool(placed(house, caller, an_order()))
        except RequestError as error:
            assert (error.status, error.code) == (429, "too_many_jobs") and error.retry_s
            return False

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(one, range(12))).count(True) == 3


def test_a_refused_order_leaves_nothing_behind(house: House) -> None:
    caller = a_caller(house, "poor")
    with house.database.write() as session:
        balance = ledger.lock(session, caller.user, house.plan("free"))
        ledger._add(session, balance, ledger.RESERVE, -47, job_id="another")
    with pytest.raises(RequestError, match="costs 6 credits and the account has 3"):
        placed(house, caller, an_order("short"))
    with house.database.read() as session:
        assert jobs.live_count(session, caller.user.id) == 0
        assert session.scalar(sa.select(sa.func.count()).where(ledger.LedgerEntry.account == caller.user.id)) == 2


def test_an_admin_has_no_limits(house: House) -> None:
    job = placed(house, a_caller(house, "boss", "admin"), an_order("feature"))
    assert (job.cost, job.tier) == (0, "feature")


def test_a_plan_is_not_passed(house: House) -> None:
    caller = a_caller(house, "planned")
    long = replace(an_order().request, shape=VideoShape(frames=48, height=416, width=608))
    for order, code in (
        (an_order("feature"), "tier_not_in_plan"),
        (replace(an_order("feature"), tier="flipbook"), "tier_not_in_plan"),
        (Order(request=long, tier="flipbook"), "tier_not_in_plan"),
    ):
        with pytest.raises(RequestError) as caught:
            placed(house, caller, order)
        assert (caught.value.status, caught.value.code) == (403, code)


def test_a_film_is_not_longer_than_the_plan_allows(tmp_path: Path) -> None:
    with studios.opened(tmp_path, plans=PlansConfig(free=PlanConfig(max_s=2))) as house:
        with pytest.raises(RequestError, match="at most 2 s") as caught:
            placed(house, a_caller(house, "long"), an_order("short"))
        assert (caught.value.status, caught.value.param) == (403, "seconds")


@pytest.mark.parametrize(
    ("frames", "height", "width", "named", "tier"),
    [
        (8, 512, 512, "", "flipbook"),
        (24, 432, 768, "", "short"),
        (8, 512, 512, "short", "short"),
        (24, 432, 768, "flipbook", "short"),
        (240, 720, 1280, "short", "feature"),
        (1, 720, 1280, "feature", "still"),
        (8, 512, 512, "still", "flipbook"),
    ],
)
def test_a_film_counts_as_what_it_is(frames: int, height: int, width: int, named: str, tier: str) -> None:
    request = replace(an_order().request, shape=VideoShape(frames=frames, height=height, width=width))
    assert orders.tier_of(Order(request=request, tier=named)) == tier


def test_a_format_fits_the_film(house: House) -> None:
    caller = a_caller(house, "formats")
    for order, said in (
        (replace(an_order(), format="avi"), "legal: mp4, gif, webp, png"),
        (replace(an_order(), format="png"), "a still is a png"),
        (replace(an_order("still"), format="mp4"), "a still is a png"),
    ):
        with pytest.raises(InputError, match=said):
            placed(house, caller, order)


def test_a_blocked_prompt_is_not_made(house: House) -> None:
    with pytest.raises(RequestError, match="rule minors-sexual") as caught:
        placed(house, a_caller(house, "blocked"), an_order(prompt="a n@ked ch1ld"))
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "moderation_blocked", "prompt")


def test_a_doubtful_prompt_is_made_and_held(house: House) -> None:
    caller = a_caller(house, "doubtful")
    job, fine = (placed(house, caller, an_order(prompt=prompt)) for prompt in ("a gory battle", "a calm lake"))
    with house.database.read() as session:
        assert reviews.is_held(session, "film", job.id) and not reviews.is_held(session, "film", fine.id)


def test_a_closing_studio_makes_nothing(tmp_path: Path) -> None:
    with studios.opened(tmp_path, closing_on="2030-01-31") as house:
        caller = a_caller(house, "late", "admin")
        with pytest.raises(RequestError, match="until 31 January 2030"):
            placed(house, caller, an_order())
