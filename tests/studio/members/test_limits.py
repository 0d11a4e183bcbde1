"""Tests the limits: buckets that fill with time, callers that are told when to come back."""

from __future__ import annotations

from pathlib import Path

import pytest
import studios

from rushes.studio.members import limits
from rushes.studio.settings import LimitsConfig


def test_a_bucket_holds_a_burst_and_fills_with_time() -> None:
    moment = [100.0]
    buckets = limits.Buckets(lambda: moment[0])
    assert [buckets.take("a", 0.5, 3) for _ in range(4)] == [0, 0, 0, 2.0]
    assert buckets.take("b", 0.5, 3) == 0
    moment[0] += 2
    assert [buckets.take("a", 0.5, 3) for _ in range(2)] == [0, 2.0]
    moment[0] += 1000
    assert [buckets.take("a", 0.5, 3) for _ in range(4)] == [0, 0, 0, 2.0]


def test_the_least_used_buckets_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_BUCKETS", 2)
    buckets = limits.Buckets(lambda: 0.0)
    for name in ("a", "b", "a", "c"):
        buckets.take(name, 1, 2)
    assert list(buckets._held) == ["a", "c"]


def test_programs_and_forms_are_limited_and_pages_are_not(tmp_path: Path) -> None:
    config = LimitsConfig(requests_per_minute=60, burst=3)
    with studios.opened(tmp_path, limits=config) as house, studios.client(house) as talking:
        first, second = (studios.person(house, name)[1] for name in ("first", "second"))
        codes = [talking.get("/v1/videos", headers=first).status_code for _ in range(4)]
        assert codes[3] == 429 and 429 not in codes[:3]
        answer = talking.get("/v1/videos", headers=first)
        assert answer.json()["error"]["code"] == "rate_limited" and int(answer.headers["retry-after"]) >= 1
        assert answer.headers["x-should-retry"] == "true"
        assert talking.get("/v1/videos", headers=second).status_code != 429
        assert 429 not in {talking.get("/sign-in").status_code for _ in range(9)}
        forms = [talking.post("/sign-out", data={"csrf": "x"}).status_code for _ in range(4)]
        assert forms == [403, 403, 403, 429]


def test_one_address_has_a_limit_however_many_keys_it_tries(tmp_path: Path) -> None:
    config = LimitsConfig(requests_per_minute=1, burst=1)
    with studios.opened(tmp_path, limits=config) as house, studios.client(house) as talking:
        codes = [talking.get("/v1/videos", headers={"authorization": f"Bearer rsh_{n}"}).status_code for n in range(12)]
        assert codes.count(429) == 2 and codes[-1] == 429


def test_no_limit_is_none(tmp_path: Path) -> None:
    config = LimitsConfig(requests_per_minute=0, burst=1)
    with studios.opened(tmp_path, limits=config) as house, studios.client(house) as talking:
        assert 429 not in {talking.get("/v1/videos").status_code for _ in range(20)}
