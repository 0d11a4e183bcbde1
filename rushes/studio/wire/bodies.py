"""Bodies of programs' requests: JSON or a form, read within limits, as one mapping of names to values."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from rushes.studio.errors import RequestError

JSON_BYTES, FORM_BYTES = 1 << 20, 64 << 20
NESTED = re.compile(r"(\w+)\[(\w*)\]")
MOST_FILES = 24
M = TypeVar("M", bound=BaseModel)


async def fields(request: Request) -> AsyncIterator[dict[str, Any]]:
    """Yield what a request's body says; a file is an open upload, closed after.

    `name[inner]` of a form is a mapping; `name[]`, or a name that comes again, a list.

    Raises:
        RequestError: 400 for a broken body, 413 for one that is too large, 415 for another kind.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        yield _object(b"".join([piece async for piece in _pieces(request, JSON_BYTES)]))
        return
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        said = f"the body is {kind or 'of no kind'}; send application/json or multipart/form-data"
        raise RequestError(415, "unsupported_media_type", said)
    form = await _form(request, kind)
    try:
        yield legible(_nested(form))
    finally:
        await form.close()


Fields = Annotated[dict[str, Any], Depends(fields)]


def read(model: type[M], values: dict[str, Any]) -> M:
    """Return `values` as `model`. Raises: RequestError 400 naming the first field that is wrong, and the known ones."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"]) or "body"
    said = first["msg"]
    if first["type"] == "extra_forbidden":
        said = f"there is no such parameter; known: {', '.join(model.model_fields)}"
    raise RequestError(400, "invalid_value", f"{name[:80]}: {said}", param=name[:80])


def schema(model: type[BaseModel], *, form: bool = True) -> dict[str, Any]:
    """Return what an operation's OpenAPI entry says of a body of `model`, as JSON and, if `form`, as a form."""
    shape = model.model_json_schema()
    for name, inner in shape.pop("$defs", {}).items():  # inside a document, `#` means the document
        shape = json.loads(json.dumps(shape).replace(json.dumps({"$ref": f"#/$defs/{name}"}), json.dumps(inner)))
    kinds = ("application/json", "multipart/form-data") if form else ("application/json",)
    return {"requestBody": {"required": True, "content": {kind: {"schema": shape} for kind in kinds}}}


async def _pieces(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Yield the body's bytes, counted: a length that was announced proves nothing."""
    count = 0
    async for piece in request.stream():
        count += len(piece)
        if count > limit:
            raise RequestError(413, "too_large", f"the body is larger than {limit} bytes, the most that is taken")
        yield piece


def _object(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body or b"{}", parse_constant=_no_number)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise RequestError(400, "invalid_json", "the body is no JSON") from None
    if not isinstance(values, dict):
        raise RequestError(400, "invalid_json", "the body is no JSON object: it begins with '{'")
    return legible(values)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


async def _form(request: Request, kind: str) -> FormData:
    pieces = _pieces(request, FORM_BYTES)
    try:
        if kind == "multipart/form-data":
            return await MultiPartParser(request.headers, pieces, max_files=MOST_FILES, max_fields=100).parse()
        return await FormParser(request.headers, pieces).parse()
    except (MultiPartException, KeyError, UnicodeDecodeError, LookupError) as error:
        said = getattr(error, "message", "its boundary or its characters are wrong")
        raise RequestError(400, "invalid_form", f"the form can't be read: {said}") from None


def _nested(form: FormData) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in form.multi_items():
        inner = NESTED.fullmatch(key)
        name = inner[1] if inner else key
        if inner is not None and inner[2]:
            if isinstance(values.setdefault(name, {}), dict):
                values[name][inner[2]] = value
        elif inner is not None or name in values:
            before = values.get(name, [])
            values[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            values[name] = value
    return values


def legible(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values`. Raises: RequestError for text that no database keeps: NUL, and halves of characters."""
    waiting: list[Any] = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
            raise RequestError(400, "invalid_text", "the body's text is no legal Unicode; type it as UTF-8 without NUL")
    return values
