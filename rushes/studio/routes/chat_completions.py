"""`/v1/chat/completions`: a conversation makes films, for any program that speaks with OpenAI-compatible models."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import anyio
from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from rushes import tiers
from rushes.errors import InputError, nearest_first
from rushes.serve.client import jobs
from rushes.serve.client.jobs import Job
from rushes.studio.chat import talk as chat
from rushes.studio.chat.talk import Reply
from rushes.studio.house import House
from rushes.studio.who import Maker, Reader, TheHouse
from rushes.studio.wire import bodies, tools
from rushes.studio.wire import videos as wire
from rushes.studio.wire.bodies import Fields

SPEC = APIRouter(prefix="/v1", tags=["chat"])
WAIT_S, LOOK_S, STREAM_S = 50.0, 0.5, 600.0


class Message(BaseModel):
    """One message; parts that are no text are not looked at."""

    model_config = ConfigDict(extra="allow")

    role: str = Field(max_length=40)
    content: str | list[dict[str, Any]] | None = None


class Completion(BaseModel):
    """What is asked; sampling parameters are accepted and mean nothing here."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(tiers.MODEL, max_length=100)
    messages: list[Message] = Field(min_length=1, max_length=500)
    stream: bool = False


class Choice(BaseModel):
    """The answer."""

    index: int = 0
    message: dict[str, str]
    finish_reason: str = "stop"


class Completed(BaseModel):
    """An answer in OpenAI's shape; `video` is the film as `/v1/videos` shows it."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    video: wire.Video | None = None


@SPEC.post(
    "/chat/completions",
    summary="Make films in a conversation",
    response_model=Completed,
    openapi_extra=bodies.schema(Completion, form=False),
)
async def complete(values: Fields, caller: Maker, house: TheHouse) -> Any:
    """Answer a conversation's last message; a film is waited for up to 50 seconds, or streamed until it is there."""
    asked = bodies.read(Completion, values)
    known = [tiers.MODEL, *filter(None, [house.config.chat_model]), *house.offered]
    if asked.model not in known:
        raise InputError(f"there is no model {asked.model!r}; known: {nearest_first(asked.model, known)}")
    messages = [message.model_dump(exclude_unset=True) for message in asked.messages]
    wanted = asked.model if asked.model in house.offered else ""
    answered = await run_in_threadpool(partial(chat.reply, house, caller, messages, model=wanted))
    name = f"chatcmpl-{secrets.token_hex(12)}"
    if asked.stream:
        return StreamingResponse(_events(house, answered, name, asked.model), media_type="text/event-stream")
    job = await _ended(house, answered.job)
    content = answered.text if job is None else f"{answered.text}\n\n{_shown(house, job)}"
    choice = Choice(message={"role": "assistant", "content": content})
    video = wire.video(house, job) if job is not None else None
    return Completed(id=name, created=int(time.time()), model=asked.model, choices=[choice], video=video)


@SPEC.get("/tools.json", summary="The functions that chat models can call")
def functions(caller: Reader, house: TheHouse) -> list[dict[str, Any]]:
    """Return the function tools, as `tools` of a request to an OpenAI-compatible model."""
    return tools.schema(house)


async def _ended(house: House, job: Job | None) -> Job | None:
    """Wait a while for a film; it goes on where it takes longer."""
    deadline = time.monotonic() + WAIT_S
    while job is not None and job.state in jobs.LIVE and time.monotonic() < deadline:
        await anyio.sleep(LOOK_S)
        job = await run_in_threadpool(_again, house, job)
    return job


def _again(house: House, job: Job) -> Job:
    """Return the job as it is now; one that was deleted meanwhile was cancelled."""
    with house.database.read() as session:
        found = jobs.find(session, job.id)
    if found is None:
        job.state, job.error = jobs.CANCELLED, "deleted"
        return job
    return found


def _shown(house: House, job: Job) -> str:
    """Return a film in Markdown: its picture leads to it."""
    video = wire.video(house, job)
    if video.url is None:
        return f"{chat.standing(job)} Ask “is it ready?” to hear more. `{job.id}`"
    prompt = video.prompt.replace("[", "(").replace("]", ")")
    return f"[![{prompt}]({video.thumbnail_url})]({video.url})\n\n[Watch the film]({video.url}) `{job.id}`"


async def _events(house: House, answered: Reply, name: str, model: str) -> AsyncIterator[str]:
    """Yield the answer as server-sent events: words at once, a film's progress in quarters, the film at its end."""

    def event(delta: dict[str, str], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = {"id": name, "object": "chat.completion.chunk", "created": int(time.time()), "model": model}
        return f"data: {json.dumps(chunk | {'choices': [choice]})}\n\n"

    yield event({"role": "assistant", "content": answered.text})
    job, told, deadline = answered.job, 0, time.monotonic() + STREAM_S
    while job is not None and job.state in jobs.LIVE and time.monotonic() < deadline:
        await anyio.sleep(LOOK_S)
        job = await run_in_threadpool(_again, house, job)
        if job.progress // 25 > told and job.state in jobs.LIVE:
            told = job.progress // 25
            yield event({"content": f" {told * 25} %"})
        else:
            yield ": still at it\n\n"
    if job is not None:
        yield event({"content": f"\n\n{_shown(house, job)}"})
    yield event({}, "stop")
    yield "data: [DONE]\n\n"
