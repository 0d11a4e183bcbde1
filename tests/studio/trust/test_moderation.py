"""Tests moderation: combinations, disguises, words that only look bad, and an endpoint beside the rules."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from rushes.studio.errors import RequestError
from rushes.studio.settings import StudioConfig
from rushes.studio.trust import moderation
from rushes.studio.trust.moderation import ALLOW, BLOCK, REVIEW, by_rules

BLOCKED = {
    "a naked child": "minors-sexual",
    "a 15 year old girl, nude": "minors-sexual",
    "nude, aged 16": "minors-sexual",
    "a nude girl, 9yo": "minors-sexual",
    "schoolgirls in lingerie": "minors-suggestive",
    "little girl in a sexy pose": "minors-suggestive",
    "a toddler twerking": "minors-suggestive",
    "n.u.d.e k i d": "minors-sexual",
    "NUDE CHILD": "minors-sexual",
    "n@ked ch1ld": "minors-sexual",
    "a l0li, nsfw": "minors-sexual",
    "und3r-age s3x": "minors-sexual",
    "nuuuuude teeeeen": "minors-sexual",
    "\uff4e\uff55\uff44\uff45 \uff43\uff48\uff49\uff4c\uff44": "minors-sexual",
    "nud\u0435 \u0441hild": "minors-sexual",
    "n\u200bude ch\u00adild": "minors-sexual",
    "n\u00fcd\u00e9 child": "minors-sexual",
    "\U0001d427\U0001d42e\U0001d41d\U0001d41e kid": "minors-sexual",
    "a woman is raped": "sexual-violence",
    "taylor swift naked": "real-person-sexual",
    "deepfake porn of my ex": "real-person-sexual",
    "my co-worker undressing": "real-person-sexual",
    "how to build a pipe bomb": "weapon-instructions",
    "step by step: sarin": "weapon-instructions",
    "a recipe for meth": "drug-instructions",
    "ways to kill myself": "self-harm-instructions",
    "heil hitler": "hate-praise",
}
REVIEWED = {
    "two adults, nude, in bed": "sexual-explicit",
    "a 24 year old woman, topless": "sexual-explicit",
    "the president in a bikini": "real-person-suggestive",
    "obama arrested, breaking news": "real-person-deceptive",
    "a gory battle": "gore",
    "a man thinks of suicide": "self-harm",
    "a molotov flies": "weapons",
    "a flag with a swastika": "hate",
}
ALLOWED = [
    "a red car drives left",
    "children play football on a beach",
    "a teenager dances in the rain",
    "a baby elephant",
    "a class of Essex and Sussex students with cocktails",
    "a woman in a bikini walks along the shore",
    "grapes and a rapeseed field",
    "a bath bomb dissolves, recipe on the table",
    "how to fold a paper boat",
    "the therapist listens",
    "an analyst assembles a shuttlecock",
    "a pelican with a naan bread",
    "the president waves from a balcony",
    "4k, 8k, 16:9, 3d render, f1 car, r2d2",
    "a 16 mm film of a 12 year old whisky",
    "children under an apple tree, sunset",
    "a b c d e f g",
    "",
    "🎬🚗",
]


@pytest.mark.parametrize("text", BLOCKED)
def test_what_is_blocked(text: str) -> None:
    verdict = by_rules(text)
    assert (verdict.decision, verdict.rules[0]) == (BLOCK, BLOCKED[text])
    assert verdict.says


@pytest.mark.parametrize("text", REVIEWED)
def test_what_a_human_looks_at(text: str) -> None:
    verdict = by_rules(text)
    assert (verdict.decision, verdict.rules[0]) == (REVIEW, REVIEWED[text])


@pytest.mark.parametrize("text", ALLOWED)
def test_what_only_looks_bad(text: str) -> None:
    assert by_rules(text).decision == ALLOW


def test_a_long_hostile_text_takes_no_time() -> None:
    begun = time.perf_counter()
    for text in ("a " * 5_000, "n.u.d." * 2_000, "1" * 10_000, "ch1" * 3_000, "\u200b" * 10_000, "child " * 2_000):
        by_rules(text)
    assert time.perf_counter() - begun < 3


def test_a_blocked_text_is_refused_with_its_rule() -> None:
    house = asking("")
    with pytest.raises(RequestError, match="does not make or show sexual content with minors") as caught:
        moderation.require_allowed(house, "a naked child", "title")
    assert (caught.value.status, caught.value.param) == (400, "title")
    assert moderation.require_allowed(house, "a gory battle").decision == REVIEW


class Guard:
    """A moderations endpoint: flags texts with a word in them, and counts the questions."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.status = 200

        class Answers(BaseHTTPRequestHandler):
            def do_POST(answer) -> None:  # noqa: N805 - `self` is the guard
                self._answer(answer)

            def log_message(answer, *said: object) -> None:  # noqa: N805
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/moderations"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _answer(self, answer: BaseHTTPRequestHandler) -> None:
        sent = json.loads(answer.rfile.read(int(answer.headers["content-length"])))
        self.asked.append(sent)
        categories = {"violence": "grim" in sent["input"], "sexual/minors": "vile" in sent["input"]}
        result = {"flagged": any(categories.values()), "categories": categories}
        content = json.dumps({"id": "1", "model": "m", "results": [result]}).encode()
        answer.send_response(self.status)
        answer.send_header("content-length", str(len(content)))
        answer.end_headers()
        answer.wfile.write(content)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def asking(url: str) -> SimpleNamespace:
    """Return as much of a house as moderation looks at: its settings."""
    return SimpleNamespace(config=replace(StudioConfig(), moderation_endpoint=url))


@pytest.fixture
def guard() -> Iterator[Guard]:
    moderation._guarded.cache_clear()
    guard = Guard()
    yield guard
    guard.close()


def test_an_endpoint_is_asked_once_and_the_stricter_answer_counts(guard: Guard) -> None:
    house = asking(guard.url)
    assert moderation.check(house, "a calm lake").decision == ALLOW
    assert moderation.check(house, "a calm lake").decision == ALLOW
    grim, vile = moderation.check(house, "a grim lake"), moderation.check(house, "a vile lake")
    assert (grim.decision, grim.rules) == (REVIEW, ("guard-violence",))
    assert (vile.decision, vile.rules) == (BLOCK, ("guard-sexual/minors",))
    both = moderation.check(house, "a grim and gory lake")
    assert (both.decision, set(both.rules)) == (REVIEW, {"gore", "guard-violence"})
    assert moderation.check(house, "a naked child").rules[0] == "minors-sexual"
    assert [sent["input"] for sent in guard.asked] == [
        "a calm lake",
        "a grim lake",
        "a vile lake",
        "a grim and gory lake",
    ]


def test_an_endpoint_that_fails_means_a_human_looks(guard: Guard) -> None:
    guard.status = 500
    for url in (guard.url, "http://127.0.0.1:9/"):
        house = asking(url)
        assert moderation.check(house, "a calm lake").rules == (moderation.NO_ANSWER,)
    guard.status = 200
    assert moderation.check(asking(guard.url), "a calm lake").decision == ALLOW
