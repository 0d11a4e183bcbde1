"""Moderation of texts: rules over normalised words, and an endpoint beside them if one is configured.

There is no classifier here: none with a permissive licence comes with its weights. Rules look for combinations of words
(`moderation.toml`), which is plain, the same every time, and blind to whatever says the same in other words.
"""

from __future__ import annotations

import functools
import os
import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from rushes.studio.errors import RequestError
from rushes.studio.house import House

ALLOW, REVIEW, BLOCK = "allow", "review", "block"
RULES = Path(__file__).with_suffix(".toml")
GUARD_S = 3.0
KEY = "RUSHES_MODERATION_KEY"
NO_ANSWER = "guard-no-answer"
ADULT = 18

_LEET = str.maketrans("0345789@$€+", "oeastbgaset")
_ONES = ("i", "l")
_LATIN = re.compile(r"[a-z]")
_AGE = re.compile(r"\b(\d{1,2}) ?(?:yo|y o|yrs? old|years? old|year olds?|years? of age)\b|\baged? (\d{1,2})\b")
_SPELLED = re.compile(r"\b\w(?: \w\b){2,}")
_DRAWN_OUT = re.compile(r"(\w)\1{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is decided about a text, by which rules, and what they say in words."""

    decision: str = ALLOW
    rules: tuple[str, ...] = ()
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A combination: a word out of each of `lists` has to be there; a list may be several, one of which is enough."""

    id: str
    decision: str
    lists: tuple[frozenset[str], ...]
    says: str


def check(house: House, text: str) -> Verdict:
    """Return what the rules and the endpoint say about a text: a prompt, a title, a comment, a biography.

    Where an endpoint is configured, this can take seconds: ask before a transaction begins; the answer is remembered.
    """
    verdict = by_rules(text)
    if verdict.decision == BLOCK or not house.config.moderation_endpoint or not text.strip():
        return verdict
    try:
        guard = _guarded(house.config.moderation_endpoint, text)
    except (httpx.HTTPError, KeyError, TypeError, ValueError, IndexError):
        guard = Verdict(decision=REVIEW, rules=(NO_ANSWER,), says="the endpoint that checks texts did not answer")
    return _stricter(verdict, guard)


def require_allowed(house: House, text: str, param: str = "prompt") -> Verdict:
    """Return the verdict of a text that is not blocked. Raises: RequestError 400 saying what is not made here."""
    verdict = check(house, text)
    if verdict.decision == BLOCK:
        said = f"this studio does not make or show {verdict.says} (rule {verdict.rules[0]})"
        raise RequestError(400, "moderation_blocked", said, param=param)
    return verdict


def by_rules(text: str) -> Verdict:
    """Return what `moderation.toml` says about a text."""
    words, rules = _rules()
    readings = _readings(text)
    found = {name for name, pattern in words.items() if any(pattern.search(reading) for reading in readings)}
    if any(_names_a_minor(reading) for reading in readings):
        found.add("minor")
    broken = [rule for rule in rules if all(names & found for names in rule.lists)]
    worst = [rule for rule in broken if rule.decision == BLOCK] or broken
    if not worst:
        return Verdict()
    ids = tuple(rule.id for rule in (*worst, *(rule for rule in broken if rule not in worst)))
    return Verdict(decision=worst[0].decision, rules=ids, says=worst[0].says)


@functools.cache
def _book() -> dict[str, Any]:
    return tomllib.loads(RULES.read_text(encoding="utf-8"))


@functools.cache
def _twins() -> dict[int, str]:
    """Return which letters of other scripts are drawn like Latin ones."""
    return str.maketrans(dict(_book()["twins"].split()))


@functools.cache
def _rules() -> tuple[dict[str, re.Pattern[str]], tuple[Rule, ...]]:
    """Return a pattern for each list of words, and the rules."""
    book = _book()
    words = {
        name: re.compile(r"\b(?:" + "|".join(re.escape(word).replace(r"\*", r"\w*") for word in listed) + r")\b")
        for name, listed in book["words"].items()
    }
    rules = tuple(
        Rule(
            id=rule["id"],
            decision=rule["decision"],
            lists=tuple(frozenset(names.split("|")) for names in rule["all"]),
            says=rule["says"],
        )
        for rule in book["rules"]
    )
    return words, rules


def _readings(text: str) -> set[str]:
    """Return the ways in which a text can be read: as written, without tricks of digits, dots, spaces and scripts."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_twins())
    plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if unicodedata.category(c) not in ("Mn", "Cf"))
    readings = set()
    for signed in (plain, *(_unleet(plain, one) for one in _ONES)):
        for between in (" ", ""):  # "n.u.d.e" and "under-age" in one word, or in several
            bare = re.sub(r"(?<=\w)[^\w\s]+(?=\w)|_", between, signed)
            bare = " ".join(re.sub(r"[^\w\s]", " ", bare).split())
            once, twice = _DRAWN_OUT.sub(r"\1", bare), _DRAWN_OUT.sub(r"\1\1", bare)
            readings |= {bare, *(_SPELLED.sub(lambda run: run[0].replace(" ", ""), said) for said in (once, twice))}
    return readings


def _unleet(text: str, one: str) -> str:
    """Return a text with letters for digits in words that have letters too; `1` is an i in some and an l in others."""
    table = _LEET | str.maketrans("1!|", one * 3)
    return " ".join(word.translate(table) if _LATIN.search(word) else word for word in text.split())


def _names_a_minor(reading: str) -> bool:
    return any(int(age or aged) < ADULT for age, aged in _AGE.findall(reading))


@functools.lru_cache(maxsize=4096)
def _guarded(endpoint: str, text: str) -> Verdict:
    """Ask an endpoint of the shape of OpenAI's moderations; only answers are remembered, no faults."""
    key = os.environ.get(KEY, "")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    answer = httpx.post(endpoint, json={"input": text}, headers=headers, timeout=GUARD_S)
    answer.raise_for_status()
    result = answer.json()["results"][0]
    flagged = sorted(name for name, is_flagged in result.get("categories", {}).items() if is_flagged)
    if not result["flagged"]:
        return Verdict()
    decision = BLOCK if any("minor" in name for name in flagged) else REVIEW
    return Verdict(decision=decision, rules=tuple(f"guard-{name}" for name in flagged), says=", ".join(flagged))


def _stricter(one: Verdict, other: Verdict) -> Verdict:
    order = (ALLOW, REVIEW, BLOCK)
    first, second = sorted((one, other), key=lambda verdict: -order.index(verdict.decision))
    return Verdict(decision=first.decision, rules=first.rules + second.rules, says=first.says)
