"""Pages: templates filled for whoever looks, with the token that their forms carry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from rushes.studio import who
from rushes.studio.accounts import Caller

WEB = Path(__file__).parent / "web"
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(WEB / "pages"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)


def page(request: Request, name: str, visitor: Caller | None, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return the template `name` (a file of `web/pages`), with `me`, `studio`, `csrf` and `path` beside `values`."""
    house = who.house(request)
    shared = {
        "me": visitor.user if visitor else None,
        "studio": house.config,
        "csrf": who.form_token(house, visitor),
        "path": request.url.path,
    }
    return HTMLResponse(_ENVIRONMENT.get_template(name).render(shared | values), status_code=status)
