"""`/v1/webhook_endpoints`: who hears of jobs that end; the thread that sends the messages runs while this does."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field

from rushes.studio.house import House
from rushes.studio.who import Maker, Reader, TheHouse
from rushes.studio.wire import bodies, webhooks
from rushes.studio.wire.bodies import Fields
from rushes.studio.wire.webhooks import EVENTS, WebhookEndpoint


@asynccontextmanager
async def _sending(app: FastAPI) -> AsyncIterator[None]:
    stop = threading.Event()
    sender = threading.Thread(target=webhooks.deliver_until, args=(app.state.house, stop), daemon=True)
    sender.start()
    yield
    stop.set()
    sender.join(timeout=30)


SPEC = APIRouter(prefix="/v1", tags=["webhooks"], lifespan=_sending)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewEndpoint(_Body):
    """An endpoint to note."""

    name: str = Field(max_length=200)
    url: str = Field(max_length=2000)
    event_types: list[str] = Field(max_length=20, description=", ".join(EVENTS))


class Change(_Body):
    """What is to be otherwise; the rest stays."""

    name: str | None = Field(None, max_length=200)
    url: str | None = Field(None, max_length=2000)
    event_types: list[str] | None = Field(None, max_length=20)


class Rotate(_Body):
    """How a new secret begins."""

    keep_old_secret_active_for_24_hours: bool = False


class Sample(_Body):
    """Which event to send."""

    event_type: str = Field(max_length=100)


class Endpoint(BaseModel):
    """An endpoint as its owner sees it."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    name: str
    url: str
    event_types: list[str]
    signing_secret_hint: str
    created_at: int
    updated_at: int


class EndpointWithSecret(Endpoint):
    """The same with its secret, which is shown only now."""

    signing_secret: str


class Endpoints(BaseModel):
    """A page of endpoints."""

    object: Literal["list"] = "list"
    data: list[Endpoint]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedEndpoint(BaseModel):
    """An endpoint that is no more."""

    id: str
    object: Literal["webhook_endpoint.deleted"] = "webhook_endpoint.deleted"
    deleted: bool = True


class Sent(BaseModel):
    """How an endpoint answered."""

    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    webhook_endpoint_id: str
    event_type: str
    status_code: int
    success: Literal[True] = True


class EventTypes(BaseModel):
    """The events there are."""

    object: Literal["list"] = "list"
    data: list[str]


def _shown(house: House, endpoint: WebhookEndpoint) -> Endpoint:
    return Endpoint(
        id=endpoint.id,
        name=endpoint.name,
        url=endpoint.url,
        event_types=endpoint.event_types,
        signing_secret_hint=f"whsec_...{webhooks.secret(house, endpoint)[-4:]}",
        created_at=int(endpoint.created_at),
        updated_at=int(endpoint.updated_at),
    )


def _with_secret(house: House, endpoint: WebhookEndpoint) -> EndpointWithSecret:
    shown = _shown(house, endpoint).model_dump()
    return EndpointWithSecret(**shown, signing_secret=webhooks.secret(house, endpoint))


@SPEC.post(
    "/webhook_endpoints", summary="Note a webhook endpoint", openapi_extra=bodies.schema(NewEndpoint, form=False)
)
def create(values: Fields, caller: Maker, house: TheHouse) -> EndpointWithSecret:
    """Return the endpoint with the secret that its messages are signed with; it is shown only now."""
    new = bodies.read(NewEndpoint, values)
    with house.database.write() as session:
        made = webhooks.create(house, session, caller, name=new.name, url=new.url, event_types=new.event_types)
        return _with_secret(house, made)


@SPEC.get("/webhook_endpoints", summary="List webhook endpoints")
def listing(
    caller: Reader,
    house: TheHouse,
    after: Annotated[str, Query(max_length=80)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Endpoints:
    """Return a page of one's own endpoints, the newest first."""
    with house.database.read() as session:
        page, has_more = webhooks.listed(session, caller, after=after, limit=limit)
    data = [_shown(house, endpoint) for endpoint in page]
    ends = (data[0].id, data[-1].id) if data else (None, None)
    return Endpoints(data=data, first_id=ends[0], last_id=ends[1], has_more=has_more)


@SPEC.get("/webhook_event_types", summary="List the events")
def event_types(caller: Reader) -> EventTypes:
    """Return the events that an endpoint can hear of."""
    return EventTypes(data=list(EVENTS))


@SPEC.get("/webhook_endpoints/{endpoint_id}", summary="Look a webhook endpoint up")
def retrieve(endpoint_id: str, caller: Reader, house: TheHouse) -> Endpoint:
    """Return one endpoint, without its secret."""
    with house.database.read() as session:
        return _shown(house, webhooks.own(session, caller, endpoint_id))


@SPEC.post(
    "/webhook_endpoints/{endpoint_id}",
    summary="Change a webhook endpoint",
    openapi_extra=bodies.schema(Change, form=False),
)
def update(endpoint_id: str, values: Fields, caller: Maker, house: TheHouse) -> Endpoint:
    """Change what the body names and leave the rest."""
    change = bodies.read(Change, values)
    with house.database.write() as session:
        endpoint = webhooks.own(session, caller, endpoint_id)
        webhooks.change(house, endpoint, change.name, change.url, change.event_types)
        return _shown(house, endpoint)


@SPEC.delete("/webhook_endpoints/{endpoint_id}", summary="Delete a webhook endpoint")
def delete(endpoint_id: str, caller: Maker, house: TheHouse) -> DeletedEndpoint:
    """Forget an endpoint and what was still to be sent to it."""
    with house.database.write() as session:
        session.delete(webhooks.own(session, caller, endpoint_id))
    return DeletedEndpoint(id=endpoint_id)


@SPEC.post(
    "/webhook_endpoints/{endpoint_id}/rotate_secret",
    summary="Begin a new secret",
    openapi_extra=bodies.schema(Rotate, form=False),
)
def rotate_secret(endpoint_id: str, values: Fields, caller: Maker, house: TheHouse) -> EndpointWithSecret:
    """Return the endpoint with its new secret; for a day both sign, if that is wished."""
    rotation = bodies.read(Rotate, values)
    with house.database.write() as session:
        endpoint = webhooks.own(session, caller, endpoint_id)
        webhooks.rotate(endpoint, keep_old=rotation.keep_old_secret_active_for_24_hours)
        return _with_secret(house, endpoint)


@SPEC.post(
    "/webhook_endpoints/{endpoint_id}/test",
    summary="Send a sample event",
    openapi_extra=bodies.schema(Sample, form=False),
)
def test(endpoint_id: str, values: Fields, caller: Maker, house: TheHouse) -> Sent:
    """Send a sample of an event at once and return the status of the answer."""
    sample = bodies.read(Sample, values)
    with house.database.read() as session:
        endpoint = webhooks.own(session, caller, endpoint_id)
    status = webhooks.send_sample(house, endpoint, sample.event_type)
    return Sent(webhook_endpoint_id=endpoint.id, event_type=sample.event_type, status_code=status)
