"""Closing mode: nothing new is made any more, and everybody is told until when they can take their films with them."""

from __future__ import annotations

import datetime

from rushes.errors import InputError
from rushes.studio.errors import RequestError
from rushes.studio.settings import StudioConfig


def date(config: StudioConfig) -> datetime.date | None:
    """Return the last day of downloads, None for a studio that is open.

    Raises:
        InputError: `closing_on` is no date.
    """
    if not config.closing_on:
        return None
    try:
        return datetime.date.fromisoformat(config.closing_on)
    except ValueError:
        raise InputError(f"closing_on {config.closing_on!r} is no date; the legal form is 2027-03-31") from None


def banner(config: StudioConfig) -> str:
    """Return what every page of a closing studio says on top; empty for one that is open."""
    day = date(config)
    if day is None:
        return ""
    return (
        f"{config.name} is closing. Nothing new can be made; "
        f"your films can be downloaded and your account exported until {_spoken(day)}."
    )


def refuse_new(config: StudioConfig) -> None:
    """Raise RequestError 403 in a studio that is closing: for films, and for new accounts."""
    day = date(config)
    if day is not None:
        said = f"{config.name} is closing and makes nothing new; downloads and export stay until {_spoken(day)}"
        raise RequestError(403, "studio_closing", said)


def require_sign_up(config: StudioConfig) -> None:
    """Raise RequestError 403 where nobody new is let in: the studio closes, or makes accounts by invitation."""
    refuse_new(config)
    if not config.can_sign_up:
        raise RequestError(403, "no_sign_up", "this studio makes accounts by invitation; ask its owner for a link")


def _spoken(day: datetime.date) -> str:
    return f"{day.day} {day:%B %Y}"
