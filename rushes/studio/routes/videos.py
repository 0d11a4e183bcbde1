"""`/v1/videos`: the Videos API, so that the official client drives a studio unchanged."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from rushes.serve.client.jobs import LIVE, Job, Order
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library import content, films, inputs
from rushes.studio.members.accounts import Caller
from rushes.studio.social import casting
from rushes.studio.who import Maker, Reader, TheHouse
from rushes.studio.wire import bodies, xai
from rushes.studio.wire import videos as wire
from rushes.studio.wire.bodies import Fields
from rushes.studio.wire.videos import Asked, Create, Deleted, Edit, Extend, Remix, Video, Videos

SPEC = APIRouter(prefix="/v1/videos", tags=["videos"])
ONCE_CHARACTERS = 200


def once(request: Request) -> str | None:
    """Return the request's idempotency key. Raises: RequestError for one that is too long."""
    key = request.headers.get("idempotency-key") or None
    if key is not None and len(key) > ONCE_CHARACTERS:
        said = f"the Idempotency-Key has {len(key)} characters; at most {ONCE_CHARACTERS} are legal"
        raise RequestError(400, "invalid_idempotency_key", said)
    return key


def _placed(house: House, caller: Caller, asked: Asked, order: Order, response: Response) -> Video:
    return _shown(house, casting.ask(house, caller, order, asked.characters), response)


def _shown(house: House, job: Job, response: Response) -> Video:
    if job.state in LIVE:
        response.headers["openai-poll-after-ms"] = str(wire.poll_after_ms(job))
    return wire.video(house, job)


def _parent(house: House, caller: Caller, named: object) -> Job:
    """Return the finished film that a body names, by its id or by its own file."""
    job_id = films.named(named)
    if job_id is None:
        said = "video: name a film of yours as {'id': 'video_...'}, or send its file; others are not taken"
        raise RequestError(400, "unsupported_condition", said, param="video")
    with house.database.read() as session:
        return films.finished(session, caller, job_id)


@SPEC.post("", summary="Ask for a film", openapi_extra=bodies.schema(Create))
def create(request: Request, response: Response, values: Fields, caller: Maker, house: TheHouse) -> Video:
    """Queue a film and return it at once; the header `openai-poll-after-ms` says when to look again.

    The same `Idempotency-Key` always gets the same film.
    """
    asked = bodies.read(Create, values)
    order = wire.created(asked, once(request), inputs.asked(house, caller, asked), house.offered)
    return _placed(house, caller, asked, order, response)


@SPEC.get("", summary="List films")
def listing(
    caller: Reader,
    house: TheHouse,
    after: Annotated[str, Query(max_length=80, description="the last id of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=films.LARGEST_PAGE)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> Videos:
    """Return a page of one's own films, the newest first unless `order` is `asc`."""
    with house.database.read() as session:
        page, has_more = films.listed(session, caller, after=after, limit=limit, order=order)
    data = [wire.video(house, job) for job in page]
    ends = (data[0].id, data[-1].id) if data else (None, None)
    return Videos(data=data, first_id=ends[0], last_id=ends[1], has_more=has_more)


@SPEC.post("/edits", summary="Edit a film", openapi_extra=bodies.schema(Edit))
def edit(request: Request, response: Response, values: Fields, caller: Maker, house: TheHouse) -> Video:
    """Queue a film that begins as a finished one and is made anew to the prompt, by `strength` and inside `area`.

    A file is taken for what its own record says, and only if it was made here.
    """
    asked = bodies.read(Edit, values)
    parent, looks = _parent(house, caller, asked.video), inputs.asked(house, caller, asked)
    order = wire.derived(asked, parent, "edit", once(request), looks, house.offered)
    return _placed(house, caller, asked, order, response)


@SPEC.post("/extensions", summary="Extend a film", openapi_extra=bodies.schema(Extend))
def extend(request: Request, response: Response, values: Fields, caller: Maker, house: TheHouse) -> Video:
    """Queue a film that begins with a finished one, unchanged, and goes on from its end for `seconds` more."""
    asked = bodies.read(Extend, values)
    parent, looks = _parent(house, caller, asked.video), inputs.asked(house, caller, asked)
    order = wire.derived(asked, parent, "extension", once(request), looks, house.offered)
    return _placed(house, caller, asked, order, response)


@SPEC.get("/{video_id}", summary="Look a film up", response_model=Video | xai.Pending | xai.Done | xai.Failed)
def retrieve(video_id: str, response: Response, caller: Reader, house: TheHouse) -> BaseModel:
    """Return a film as it is now; an id that begins with `request_` gets xAI's shape."""
    with house.database.read() as session:
        job = films.own(session, caller, xai.job_id(video_id))
    if video_id != job.id:
        return xai.shown(house, job, response)
    return _shown(house, job, response)


@SPEC.delete("/{video_id}", summary="Delete a film")
def delete(video_id: str, caller: Maker, house: TheHouse) -> Deleted:
    """Forget a film and its files for good; one that is being made is cancelled first."""
    films.delete(house, caller, video_id)
    return Deleted(id=video_id)


@SPEC.get(
    "/{video_id}/content",
    summary="Download a film or its pictures",
    response_class=Response,
    responses={200: {"content": {"video/mp4": {}, "image/webp": {}, "image/jpeg": {}}}, 206: {}, 304: {}, 416: {}},
)
def download(
    video_id: str,
    request: Request,
    caller: Reader,
    house: TheHouse,
    variant: Literal["video", "thumbnail", "spritesheet"] = "video",
) -> Response:
    """Return the film, its middle frame, or a sheet of its frames; ranges and `If-None-Match` are understood."""
    with house.database.read() as session:
        job = films.own(session, caller, video_id)
    return content.answer(request, house, job, variant)


SPEC.head("/{video_id}/content", include_in_schema=False)(download)


@SPEC.post("/{video_id}/remix", summary="Remix a film", openapi_extra=bodies.schema(Remix))
def remix(video_id: str, request: Request, response: Response, values: Fields, caller: Maker, house: TheHouse) -> Video:
    """Queue a film of a new prompt with the seed and shape of a finished one, which becomes its parent.

    With a `strength` it begins as that film, and the less the more of it stays.
    """
    asked = bodies.read(Remix, values)
    with house.database.read() as session:
        parent = films.finished(session, caller, video_id)
    looks = inputs.asked(house, caller, asked)
    order = wire.derived(asked, parent, "remix", once(request), looks, house.offered)
    return _placed(house, caller, asked, order, response)


@SPEC.post("/{video_id}/cancel", summary="Cancel a film")
def cancel(video_id: str, response: Response, caller: Maker, house: TheHouse) -> Video:
    """Ask for a film's end: a waiting one ends at once, a running one within a second; an ended one stays as it is."""
    return _shown(house, films.cancel(house, caller, video_id), response)
