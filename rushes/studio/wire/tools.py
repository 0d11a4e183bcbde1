"""The functions that a chat model may call: the same six as the MCP server's tools, run for one caller."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rushes.errors import InputError
from rushes.serve.client.jobs import Job
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library import films, inputs
from rushes.studio.members.accounts import READ, WRITE, Caller
from rushes.studio.social import casting
from rushes.studio.wire import bodies, offers
from rushes.studio.wire import videos as wire

SHOWN = (
    *("id", "status", "progress", "prompt", "model", "size", "seconds", "format", "seed", "error"),
    *("estimate_s", "url", "note"),
)
LIKE = ("like_picture", "like_as")


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Look(_Arguments):
    prompt: str = Field(description="what the film shows, as in 'a red boat crosses a lake at dusk'")
    model: str | None = Field(default=None, max_length=100, description="a name of list_models")
    size: str | None = Field(default=None, description="WIDTHxHEIGHT: 768x432, 432x768, 512x512, 1280x720 or 720x1280")
    seconds: int | None = Field(default=None, description="1 to 60")
    format: str | None = Field(default=None, description="mp4, gif or webp; png for a still")
    seed: int | None = Field(default=None, description="the same seed makes the same film")
    like_picture: str | None = Field(default=None, description="the id of a film or still that it is laid out like")
    like_as: str | None = Field(
        default=None, description="how like_picture is read: edges, sketch or depth (the brightest is nearest)"
    )


class Generate(_Look):
    """Make a film from a prompt; it takes a while, and get_video tells how far it is."""

    tier: str | None = Field(default=None, description="flipbook, short, feature or still")
    first_picture: str | None = Field(default=None, description="the id of a film or still that it begins with")
    subject_picture: str | None = Field(default=None, description="the id of a still of what the first subject is")
    character: str | None = Field(default=None, description="the id of a character; the prompt may say its name")
    loop: bool = Field(default=False, description="the film's end runs into its beginning")
    path: str | None = Field(default=None, description="where the subject goes: 'x,y x,y ...' in 0 to 1")


class Remix(_Look):
    """Make a film of another prompt with a finished film's seed, size and length."""

    video_id: str = Field(description="the film's id, video_...")
    strength: float | None = Field(
        default=None, gt=0, le=1, description="begin as the film, and change this much of it; else a new film"
    )


class Get(_Arguments):
    """Say how a film is doing."""

    video_id: str = Field(description="the film's id, video_...")


class Cancel(Get):
    """End a film that waits or is being made."""


class Models(_Arguments):
    """List the models that films can be made with, and what each can do."""


class Listing(_Arguments):
    """List the caller's films, the newest first."""

    limit: int = Field(default=10, ge=1, le=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What came of a call: `answer` for the model, and the film that was asked for, if one was."""

    answer: dict[str, Any]
    job: Job | None = None


def schema(house: House) -> list[dict[str, Any]]:
    """Return the functions as OpenAI-compatible models read them; where models are offered, their names and limits."""
    said = []
    for name, (arguments, _, _) in TOOLS.items():
        parameters = arguments.model_json_schema()
        if "model" in parameters["properties"]:
            words = "what it is made with; " + "; ".join(offers.line(each) for each in offers.listed(house))
            parameters["properties"]["model"]["description"] = words
        function = {"name": name, "description": arguments.__doc__, "parameters": parameters}
        said.append({"type": "function", "function": function})
    return said


def call(house: House, caller: Caller, name: str, arguments: str) -> Called:
    """Run a function for `caller`, and for nobody else; whatever is wrong becomes an answer that a model can read."""
    if name not in TOOLS:
        return Called(answer={"error": f"there is no function {name[:80]!r}; known: {', '.join(TOOLS)}"})
    kind, scope, run = TOOLS[name]
    try:
        if scope not in caller.scopes:
            raise RequestError(403, "missing_scope", f"this key lacks the scope {scope!r}")
        values = json.loads(arguments or "{}")
        return run(house, caller, bodies.read(kind, bodies.legible(values)))
    except (RequestError, InputError) as error:
        return Called(answer={"error": str(error)})
    except (ValueError, RecursionError, AttributeError):
        return Called(answer={"error": "the arguments are no JSON object"})


def _generate(house: House, caller: Caller, said: Generate) -> Called:
    named = {"first_picture", "subject_picture", "character", *LIKE}
    asked = wire.Create(**said.model_dump(exclude_none=True, exclude=named), **_layout(said))
    if said.first_picture:  # a model may name what is here; it may not send the studio to addresses
        asked.input_reference = {"file_id": said.first_picture}
    if said.subject_picture:
        asked.subject_reference = {"file_id": said.subject_picture}
    order = wire.created(asked, conditions=inputs.asked(house, caller, asked), offered=house.offered)
    return _made(house, casting.ask(house, caller, order, [said.character] if said.character else []))


def _remix(house: House, caller: Caller, said: Remix) -> Called:
    with house.database.read() as session:
        parent = films.finished(session, caller, said.video_id)
    asked = wire.Remix(**said.model_dump(exclude_none=True, exclude={"video_id", *LIKE}), **_layout(said))
    looks = inputs.asked(house, caller, asked)
    order = wire.derived(asked, parent, "remix", conditions=looks, offered=house.offered)
    return _made(house, films.ask(house, caller, order))


def _layout(said: _Look) -> dict[str, Any]:
    """Return the wire's field for the picture that a film is laid out like. Raises: InputError."""
    if not said.like_picture:
        return {}
    return {inputs.PARAMS[inputs.layout(said.like_as or inputs.LAID_OUT[0])]: {"file_id": said.like_picture}}


def _get(house: House, caller: Caller, said: Get) -> Called:
    with house.database.read() as session:
        return Called(answer=_shown(house, films.own(session, caller, said.video_id)))


def _cancel(house: House, caller: Caller, said: Cancel) -> Called:
    return Called(answer=_shown(house, films.cancel(house, caller, said.video_id)))


def _listing(house: House, caller: Caller, said: Listing) -> Called:
    with house.database.read() as session:
        page, has_more = films.listed(session, caller, after="", limit=said.limit, order="desc")
    return Called(answer={"films": [_shown(house, job) for job in page], "has_more": has_more})


def _models(house: House, caller: Caller, said: Models) -> Called:
    return Called(answer={"models": offers.listed(house)})


def _made(house: House, job: Job) -> Called:
    return Called(answer=_shown(house, job), job=job)


def _shown(house: House, job: Job) -> dict[str, Any]:
    return wire.video(house, job).model_dump(include=set(SHOWN))


Run = Callable[[House, Caller, Any], Called]
TOOLS: dict[str, tuple[type[BaseModel], str, Run]] = {
    "generate_video": (Generate, WRITE, _generate),
    "get_video": (Get, READ, _get),
    "list_my_videos": (Listing, READ, _listing),
    "remix_video": (Remix, WRITE, _remix),
    "cancel_video": (Cancel, WRITE, _cancel),
    "list_models": (Models, READ, _models),
}
