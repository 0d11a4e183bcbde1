"""Media feeds (RSS, Atom): the films that they name are fetched, each once, with limits of size and time."""

from __future__ import annotations

import hashlib
import http.client
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO
from urllib.error import URLError
from urllib.parse import urljoin, urlsplit

import feedparser

from rushes import store
from rushes.errors import InputError

_PIECE = 1 << 18
_ENDINGS = ("mp4", "m4v", "mov", "mkv", "webm", "avi", "ogv", "ts", "mpg", "mpeg")
_FEED_BYTES = 64 << 20
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedConfig:
    """Films above `film_mb` are refused; one gets `film_s` seconds in all, and `silent_s` without a byte."""

    film_mb: int = 4096
    film_s: float = 3600.0
    silent_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("film_mb", "film_s", "silent_s"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} {getattr(self, name)} is illegal; the nearest legal value is 1")


class _RefusedError(Exception):
    """A film that no second try would make legal."""


def is_feed(source: str) -> bool:
    """Say whether a source is the address of a feed."""
    return source.startswith(("http://", "https://"))


class Feed:
    """One feed, whose films are kept in the store at `place`."""

    def __init__(self, address: str, place: str, config: FeedConfig) -> None:
        self._address, self._config, self._kept = address, config, store.at(place)
        self._tries: dict[str, int] = {}
        opener = urllib.request.OpenerDirector()  # http(s) alone: neither files nor ftp, by redirect neither
        for handler in (
            urllib.request.ProxyHandler,
            urllib.request.UnknownHandler,
            urllib.request.HTTPHandler,
            urllib.request.HTTPSHandler,
            urllib.request.HTTPDefaultErrorHandler,
            urllib.request.HTTPRedirectHandler,
            urllib.request.HTTPErrorProcessor,
        ):
            opener.add_handler(handler())
        self._opener = opener

    def fetch(self, at_most: int, should_stop: Callable[[], bool], say: Callable[[str], None]) -> bool:
        """Fetch at most `at_most` films that are not there yet; say whether more are waiting.

        What fails is said; after three failures, or one that stands, a film is left alone until the next run.
        """
        try:
            there, fetched = set(self._kept.list()), 0
            for address in self._films():
                name = name_of(address)
                if name in there or self._tries.get(name, 0) >= _TRIES:
                    continue
                if fetched >= at_most or should_stop():
                    return True
                try:
                    self._fetch_film(address, name)
                    there.add(name)
                    fetched += 1
                except _RefusedError as error:
                    self._tries[name] = _TRIES
                    say(f"{address}: {error}")
                except (OSError, http.client.HTTPException, ValueError) as error:
                    self._tries[name] = self._tries.get(name, 0) + 1
                    say(f"{address}: {_reason(error)}")
        except (OSError, http.client.HTTPException, ValueError, _RefusedError) as error:
            say(f"feed {self._address}: {_reason(error)}; tried again at the next look")
        return False

    def _films(self) -> Iterator[str]:
        """Yield the addresses of the films that the feed names now, each once, oldest entry first."""
        with tempfile.TemporaryFile() as file:
            self._read(self._address, file, _FEED_BYTES)
            file.seek(0)
            parsed = feedparser.parse(file.read())
        if parsed.bozo and not parsed.entries:
            raise _RefusedError(f"it is no feed ({parsed.get('bozo_exception', 'no entries')})")
        named = [film for entry in reversed(parsed.entries) for film in _named(entry)]
        for address in dict.fromkeys(urljoin(self._address, film) for film in named):
            if is_feed(address):
                yield address

    def _fetch_film(self, address: str, name: str) -> None:
        with tempfile.TemporaryFile() as file:
            self._read(address, file, self._config.film_mb << 20)
            file.seek(0)
            self._kept.put(name, file)  # whole or not at all, whenever we are killed

    def _read(self, address: str, file: IO[bytes], most: int) -> None:
        until = time.monotonic() + self._config.film_s
        with self._opener.open(address, timeout=self._config.silent_s) as answer:
            said = answer.headers.get("Content-Length", "")
            promised = int(said) if said.isdecimal() else None
            count = 0
            while piece := answer.read1(_PIECE):
                count += len(piece)
                if max(count, promised or 0) > most:
                    raise _RefusedError(f"it is larger than {most >> 20} MB")
                if time.monotonic() > until:
                    raise TimeoutError(f"it took more than {self._config.film_s:g} s")
                file.write(piece)
            if promised is not None and count != promised:
                raise ConnectionError(f"it ended after {count} of {promised} bytes")


def name_of(address: str) -> str:
    """Return the key under which the film at an address is kept: its host, and a hash of the whole address."""
    ending = urlsplit(address).path.rpartition(".")[2].lower()
    digest = hashlib.sha256(address.encode()).hexdigest()[:24]
    host = urlsplit(address).hostname or "host"
    return f"{host.replace(':', '-').lstrip('.')}/{digest}.{ending if ending in _ENDINGS else 'film'}"


def _named(entry: feedparser.FeedParserDict) -> Iterator[str]:
    """Yield the addresses of an entry's films: enclosures, and the `content` of Media RSS."""
    for one in [*entry.get("enclosures", []), *entry.get("media_content", [])]:
        address, kind = one.get("href") or one.get("url") or "", one.get("type", "")
        ending = urlsplit(address).path.rpartition(".")[2].lower()
        if kind.startswith("video/") or one.get("medium") == "video" or (not kind and ending in _ENDINGS):
            yield address


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    return " ".join(str(reason).split()) or type(error).__name__
