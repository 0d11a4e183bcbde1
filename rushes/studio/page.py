"""Pages: templates filled for whoever looks, with the token that their forms carry."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from rushes.serve.client.database import now
from rushes.studio import media, who
from rushes.studio.members import closing
from rushes.studio.members.accounts import Caller

WEB = Path(__file__).parent / "web"
LOOK_COOKIE, LOOKS = "rushes_look", ("auto", "light", "dark")


def page(request: Request, name: str, visitor: Caller | None, /, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return the template `name` (a file of `web/pages`), with what `_parts.html` lists beside `values`."""
    house = who.house(request)
    look = request.cookies.get(LOOK_COOKIE, "auto")
    shared = {
        "me": visitor.user if visitor else None,
        "studio": house.config,
        "csrf": who.form_token(house, visitor),
        "path": request.url.path,
        "closing": closing.banner(house.config),
        "look": look if look in LOOKS else "auto",
        "media": functools.partial(media.url, house),
    }
    return HTMLResponse(_ENVIRONMENT.get_template(name).render(shared | values), status_code=status)


def ago(moment: float) -> str:
    """Return how long `moment` (seconds since 1970) is past, as people say it: `3 min ago`."""
    past = now() - moment
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if past >= length:
            return f"{past / length:.0f} {unit} ago"
    return "just now"


def seconds(number: float) -> str:
    """Return a length of time as people say it: `1 min 5 s`, `12 s`, `0.4 s`."""
    if number < 10:
        return f"{round(number, 1):g} s"
    hours, rest = divmod(round(number), 3_600)
    minutes, left = divmod(rest, 60)
    parts = [f"{value} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (left, "s")) if value]
    return " ".join(parts[:2])


def num_bytes(number: float) -> str:
    """Return an amount of bytes as people say it: `640 kB`, `1.2 MB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number / 1e3:.0f} kB"


def moment(at: float) -> str:
    """Return a time (seconds since 1970) to the minute, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(WEB / "pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals |= {"ago": ago, "seconds": seconds, "bytes": num_bytes, "moment": moment}
