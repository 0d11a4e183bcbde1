"""The library's pages: films to find, sort into collections, take home as one zip, or delete."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel

from rushes import tiers
from rushes.errors import InputError, nearest_first
from rushes.studio import who
from rushes.studio.house import House
from rushes.studio.library import films, vocabulary
from rushes.studio.library import shelf as library
from rushes.studio.library.shelf import Shelf
from rushes.studio.members.accounts import Caller
from rushes.studio.page import page
from rushes.studio.who import Member, TheHouse

SPEC = APIRouter(include_in_schema=False)
DEEDS = ("zip", "add", "remove", "delete")
LAST_PAGE = 10_000


class Sought(BaseModel):
    """What the search form asks for, as browsers send it."""

    q: str = ""
    tier: str = ""
    state: str = ""
    visibility: str = ""
    collection: str = ""
    page: str = "0"

    def shelf(self, house: House) -> Shelf:
        """Return which films are meant; words that the model was not taught stand for those that it was."""
        known, text = vocabulary.of(house.config), self.q[:200]
        return Shelf(
            text=known.translated(text) if known else text,
            tier=self.tier,
            state=self.state,
            visibility=self.visibility,
            collection=self.collection,
            page=min(LAST_PAGE, int(self.page)) if self.page.isdecimal() else 0,
        )


@SPEC.get("/library")
def show(request: Request, house: TheHouse, caller: Member, sought: Annotated[Sought, Query()]) -> Response:
    """Show one's own films."""
    shelf = sought.shelf(house)
    at = shelf.page
    owner = caller.user.id
    with house.database.read() as session:
        chosen = library.own_collection(session, owner, shelf.collection) if shelf.collection else None
        found, has_more = library.search(session, owner, shelf)
        values: dict[str, Any] = {
            "shelf": shelf,
            "q": sought.q,
            "films": found,
            "shown": library.visibilities(session, found),
            "collection": chosen,
            "collections": library.collections(session, owner),
            "tiers": [(name, name) for name in tiers.TIERS],
            "is_filtered": shelf != Shelf(),
            "next": _link(request, at + 1) if has_more else "",
            "previous": _link(request, at - 1) if at else "",
        }
    return page(request, "library.html", caller, **values)


@SPEC.post("/library/selected", dependencies=[Depends(who.own_form)])
def do(
    house: TheHouse,
    caller: Member,
    do: Annotated[str, Form()],
    film: Annotated[list[str] | None, Form()] = None,
    into: Annotated[str, Form()] = "",
    from_collection: Annotated[str, Form()] = "",
) -> Response:
    """Do something with the films that were ticked."""
    if do not in DEEDS:
        raise InputError(f"there is no {do[:40]!r} for films; legal: {nearest_first(do, DEEDS)}")
    if not film:
        raise InputError("no film is selected; tick the box below a film first")
    if do == "zip":
        return _zip(house, caller, film)
    back = from_collection
    if do == "delete":
        for job_id in film:
            films.delete(house, caller, job_id)
    else:
        with house.database.write() as session:
            chosen = library.own_films(session, caller.user.id, film)
            if do == "remove":
                library.remove(session, caller.user.id, from_collection, chosen)
            else:
                back = library.gather(session, caller.user.id, into).id
                library.add(session, caller.user.id, back, chosen)
    return RedirectResponse(f"/library?collection={back}" if back else "/library", 303)


@SPEC.post("/library/collections/{collection_id}/delete", dependencies=[Depends(who.own_form)])
def scatter(house: TheHouse, caller: Member, collection_id: str) -> Response:
    """Forget a collection."""
    with house.database.write() as session:
        library.scatter(session, caller.user.id, collection_id)
    return RedirectResponse("/library", 303)


def _zip(house: House, caller: Caller, job_ids: list[str]) -> Response:
    with house.database.read() as session:
        chosen = library.own_films(session, caller.user.id, job_ids)
    headers = {"content-disposition": 'attachment; filename="films.zip"', "cache-control": "no-store"}
    return StreamingResponse(library.zipped(house.media, chosen), media_type="application/zip", headers=headers)


def _link(request: Request, number: int) -> str:
    return f"/library?{urlencode(dict(request.query_params) | {'page': str(number)})}"
