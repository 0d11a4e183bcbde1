"""Keeps a dataset growing from folders, buckets and media feeds: what is whole and new is taken in, once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rushes.data.intake import sources as intake
from rushes.data.intake.feed import Feed, FeedConfig, is_feed
from rushes.data.run import Again, Summary, Watch, curate
from rushes.data.settings import CurateConfig
from rushes.data.workers.pool import Runner
from rushes.errors import InputError

Say = Callable[[str], None]
NAP_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfig:
    """A look every `every_s` seconds; a file is whole when it has not changed for `settled_s`.

    Of each feed, at most `films_at_once` films are fetched before they are curated. `say` hears what a person may
    want to know; `again` is what each run may do beyond its settings.
    """

    every_s: float = 30.0
    settled_s: float = 10.0
    films_at_once: int = 8
    feed: FeedConfig = field(default_factory=FeedConfig)
    say: Say = lambda text: None
    again: Again = field(default_factory=Again)

    def __post_init__(self) -> None:
        for name, least in (("every_s", 0.01), ("settled_s", 0.0), ("films_at_once", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} {getattr(self, name)} is illegal; the nearest legal value is {least}")


def feed_place(place: str) -> str:
    """Return where the films of feeds are kept, beside the dataset: its address and `-feed`."""
    return f"{place.rstrip('/')}-feed"


def grow(
    place: str,
    sources: Sequence[str],
    config: CurateConfig,
    runner: Runner,
    *,
    watching: WatchConfig,
    watch: Watch = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Summary:
    """Curate `sources` again and again until asked to stop; what does not change is neither read nor run again.

    Nothing is in flight but one batch: while it is curated, nobody looks, and what a feed offers beyond
    `films_at_once` waits there. Each film is taken in once, whenever the run is killed: the ledger knows those of
    folders and buckets, and a film of a feed is kept whole under a name made of its address, or not at all.

    Raises:
        InputError, RushesError: as `curate`; a feed that cannot be read is said and tried again at the next look.
    """
    feeds = [Feed(source, feed_place(place), watching.feed) for source in sources if is_feed(source)]
    places = [source for source in sources if not is_feed(source)] + [feed_place(place)] * bool(feeds)
    seen: dict[str, tuple[intake.Found, float]] = {}
    before: frozenset[intake.Found] | None = None
    while True:
        more = [one.fetch(watching.films_at_once, should_stop, watching.say) for one in feeds]
        found = intake.find(places, apart_from=place)
        settled = frozenset(_settled(found, seen, watching.settled_s))
        if before is None or settled - before:
            again = replace(watching.again, only=settled)
            summary = curate(place, places, config, runner, watch=watch, should_stop=should_stop, again=again)
            if not summary.is_whole:
                return summary
            watching.say(f"{sum(summary.outcomes.values())} new sources, {summary.num_clips} new clips; watching")
            before = settled
        if not any(more):
            _sleep(watching.every_s, should_stop)
        if should_stop():
            return summary


def _settled(
    found: Sequence[intake.Found], seen: dict[str, tuple[intake.Found, float]], settled_s: float
) -> list[intake.Found]:
    """Return what has not changed for `settled_s`; `seen` remembers since when each file looks as it does.

    An object of a bucket appears whole. A file whose own time is old enough need not be looked at twice.
    """
    now, whole = time.monotonic(), []
    gone = seen.keys() - {one.uri for one in found}
    for uri in gone:
        del seen[uri]
    for one in found:
        last = seen.get(one.uri)
        if last is None or last[0] != one:
            old_s = time.time() - one.mtime_ns / 1e9
            last = seen[one.uri] = (one, now - max(0.0, old_s))
        if one.num_bytes < 0 or one.problem or now - last[1] >= settled_s:
            whole.append(one)
    return whole


def _sleep(seconds: float, should_stop: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not should_stop():
        time.sleep(min(NAP_S, left))
