"""What a film is to begin or end with: pictures that are sent, linked or already here become a request's conditions."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Any

from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile

from rushes.errors import InputError
from rushes.media import picture
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library import films
from rushes.studio.members.accounts import Caller
from rushes.studio.trust import outbound
from rushes.types import Condition

LARGEST_BYTES = 20 << 20
LONGEST_PX = 1280  # of a kept picture: no film is larger
DATA_URL = re.compile(r"data:image/[a-z+.-]+;base64,", re.IGNORECASE)
DIGEST = re.compile(r"[0-9a-f]{64}")


def folder(user_id: str) -> str:
    """Return the prefix of the keys of an account's pictures."""
    return f"inputs/{user_id}/"


def asked(house: House, caller: Caller, body: Any) -> tuple[Condition, ...]:
    """Return the conditions that a body's `input_reference`, `last_reference`, `path` and `loop` mean.

    Raises: as `named`.
    """
    found = []
    for kind, param in (("first", "input_reference"), ("last", "last_reference")):
        value = getattr(body, param)
        if value not in (None, ""):
            found.append(named(house, caller, kind, value, param))
    if body.path is not None:
        try:
            found.append(Condition(kind="path", points=body.path))
        except InputError as error:
            raise RequestError(400, "invalid_value", str(error), param="path") from None
    if body.loop:
        found.append(Condition(kind="loop"))
    return tuple(found)


def named(house: House, caller: Caller, kind: str, value: Any, param: str) -> Condition:
    """Return the condition that the film begins (`first`) or ends (`last`) with what a body's `param` names.

    That is an upload, `{"image_url": ...}` (an address, or a data: URL), or `{"file_id": ...}` with the id of a film
    or still of the caller's own.

    Raises:
        RequestError: 400 for anything else, 404 for a film that is not the caller's, 413 for too many bytes.
    """
    if isinstance(value, UploadFile):
        return kept(house, caller, kind, _read(value, param), param)
    address = value.get("image_url", value.get("url")) if isinstance(value, dict) else value
    if isinstance(address, dict):  # as chat models write it
        address = address.get("url")
    if isinstance(address, str) and address:
        return kept(house, caller, kind, _fetched(address, param), param)
    job_id = value.get("file_id", value.get("id")) if isinstance(value, dict) else None
    if isinstance(job_id, str):
        with house.database.read() as session:
            return Condition(kind=kind, uri=films.finished(session, caller, job_id).files["video"])  # type: ignore[arg-type]
    said = f"{param}: send a picture, its address as {{'image_url': ...}}, or a film of yours as {{'file_id': ...}}"
    raise RequestError(400, "invalid_value", said, param=param)


def kept(house: House, caller: Caller, kind: str, content: bytes, param: str) -> Condition:
    """Keep a picture with the caller's account, drawn anew, and return the condition that names it."""
    try:
        drawn = picture.cleaned(content, longest_px=LONGEST_PX)
    except InputError as error:
        raise RequestError(400, "invalid_value", f"{param}: {error}", param=param) from None
    digest = hashlib.sha256(drawn).hexdigest()
    key = f"{folder(caller.user.id)}{digest}.webp"
    house.media.put(key, drawn)
    return Condition(kind=kind, uri=key, sha256=digest)  # type: ignore[arg-type]


def again(house: House, caller: Caller, kind: str, digest: str) -> Condition:
    """Return the condition for a picture that the caller sent before. Raises: InputError where it is not there."""
    key = f"{folder(caller.user.id)}{digest}.webp"
    if not DIGEST.fullmatch(digest) or key not in house.media.list(key):
        raise InputError("the picture is gone; choose it again")
    return Condition(kind=kind, uri=key, sha256=digest)  # type: ignore[arg-type]


def remade(session: Session, caller: Caller, job_id: str, *, strength: float, area: Any = None) -> Condition:
    """Return the condition that a film of the caller's own is made anew by `strength`, inside `area` alone."""
    film = films.finished(session, caller, job_id)
    return Condition(kind="remix", uri=film.files["video"], strength=strength, area=area)


def _read(upload: UploadFile, param: str) -> bytes:
    content = upload.file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise RequestError(413, "too_large", f"{param}: the picture is larger than {LARGEST_BYTES} bytes", param=param)
    return content


def _fetched(address: str, param: str) -> bytes:
    inside = DATA_URL.match(address)
    try:
        if inside:
            return base64.b64decode(address[inside.end() :].encode("ascii"), validate=True)
        return outbound.get(address, LARGEST_BYTES)
    except (binascii.Error, UnicodeEncodeError):
        raise RequestError(400, "invalid_value", f"{param}: the data: URL is no base64", param=param) from None
    except (InputError, outbound.OutboundError) as error:
        raise RequestError(400, "invalid_value", f"{param}: {error}", param=param) from None
