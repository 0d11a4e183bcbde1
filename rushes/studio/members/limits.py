"""How often somebody may ask: token buckets, kept in the memory of each web process.

In memory, because a bucket is asked on every call and losing one at a restart costs nothing; a studio with N web
processes therefore allows N times as much, which `LimitsConfig` says too.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import Request

from rushes.studio import who
from rushes.studio.errors import RequestError

MOST_BUCKETS = 50_000
PROGRAMS = ("/v1/", "/api/", "/mcp")
ADDRESSES_SHARE = 10  # how many callers' worth one address may send: offices and schools share one


class Buckets:
    """Token buckets by name: each holds `burst` and fills with `per_s` a second; the least used are forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> tokens, when

    def take(self, name: str, per_s: float, burst: float) -> float:
        """Take one token; return 0, or the seconds until there will be one (and take none)."""
        moment = self._clock()
        with self._lock:
            tokens, at = self._held.pop(name, (burst, moment))
            tokens = min(burst, tokens + (moment - at) * per_s)
            wait_s = 0.0 if tokens >= 1 else (1 - tokens) / per_s
            self._held[name] = (tokens if wait_s else tokens - 1, moment)
            if len(self._held) > MOST_BUCKETS:
                self._held.popitem(last=False)
        return wait_s


def limited(request: Request) -> None:
    """Raise RequestError 429 where a caller asks too often: programs for anything, browsers for what changes something.

    A caller is a key or a session; without either, an address. All callers of one address share ten times as much.
    """
    limits = who.house(request).config.limits
    if not limits.requests_per_minute:
        return
    if request.method in who.SAFE and not request.url.path.startswith(PROGRAMS):
        return
    secret = request.headers.get("authorization") or request.cookies.get(who.COOKIE) or ""
    address = address_of(request)
    caller = hashlib.sha256(secret.encode()).hexdigest() if secret else address
    per_s, burst = limits.requests_per_minute / 60, limits.burst
    for name, share in ((f"address {address}", ADDRESSES_SHARE), (f"caller {caller}", 1)):
        _require(request, name, per_s * share, burst * share)


def sign_in_tried(request: Request, name: str) -> None:
    """Count a try to sign in as `name`. Raises: RequestError 429 after too many for it, or from one address."""
    limits = who.house(request).config.limits
    if limits.sign_ins_per_hour:
        per_s, burst = limits.sign_ins_per_hour / 3600, max(1.0, limits.sign_ins_per_hour / 6)
        _require(request, f"sign-in account {name.strip().lower()[:320]}", per_s, burst)
        _require(request, f"sign-in address {address_of(request)}", per_s * 3, burst * 3)


def address_of(request: Request) -> str:
    """Return where a request comes from; behind a proxy that uvicorn trusts, what the proxy says."""
    return request.client.host if request.client else "nowhere"


def _require(request: Request, name: str, per_s: float, burst: float) -> None:
    wait_s = request.app.state.buckets.take(name, per_s, burst)
    if wait_s:
        raise RequestError(
            429, "rate_limited", f"too many requests; try again in {max(1, round(wait_s))} s", retry_s=wait_s
        )
