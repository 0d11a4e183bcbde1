"""What a film is to begin or end with, or to show: pictures that are sent, linked or here become its conditions."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile

from rushes.errors import InputError, nearest_first
from rushes.media import picture
from rushes.studio.errors import RequestError
from rushes.studio.house import House
from rushes.studio.library import films, subjects
from rushes.studio.library.vocabulary import SHIPPED
from rushes.studio.members.accounts import Caller
from rushes.studio.trust import outbound
from rushes.types import Condition

LARGEST_BYTES = 20 << 20
PARAMS = {
    "first": "input_reference",
    "last": "last_reference",
    "subject": "subject_reference",
    "edges": "edges_reference",
    "sketch": "sketch_reference",
    "depth": "depth_reference",
}
LAID_OUT = ("edges", "sketch", "depth")
LONGEST_PX = 1280  # of a kept picture: no film is larger
DATA_URL = re.compile(r"data:image/[a-z+.-]+;base64,", re.IGNORECASE)
DIGEST = re.compile(r"[0-9a-f]{64}")


def folder(user_id: str) -> str:
    """Return the prefix of the keys of an account's pictures."""
    return f"inputs/{user_id}/"


def asked(house: House, caller: Caller, body: Any) -> tuple[Condition, ...]:
    """Return the conditions that a body's references (`PARAMS`), `path` and `loop` mean.

    Raises: as `named`.
    """
    found = []
    for kind, param in PARAMS.items():
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
    """Return the condition of a `kind` of PARAMS with what a body's `param` names.

    That is an upload, `{"image_url": ...}` (an address, or a data: URL), or `{"file_id": ...}` with the id of a film
    or still of the caller's own; a `subject` is cut out of a still alone.

    Raises:
        RequestError: 400 for anything else, 404 for a film that is not the caller's, 413 for too many bytes.
    """
    job_id = _film(value)
    if job_id is not None and kind != "subject":
        with house.database.read() as session:
            return Condition(kind=kind, uri=films.finished(session, caller, job_id).files["video"])  # type: ignore[arg-type]
    return kept(house, caller, kind, sent(house, caller, value, param), param)


def sent(house: House, caller: Caller, value: Any, param: str) -> bytes:
    """Return the bytes of the picture, or still of the caller's, that a body's `param` names. Raises: as `named`."""
    if isinstance(value, UploadFile):
        return _read(value, param)
    address = _address(value)
    if address:
        return _fetched(address, param)
    job_id = _film(value)
    if job_id is None:
        said = f"{param}: send a picture, its address as {{'image_url': ...}}, or a film of yours as {{'file_id': ...}}"
        raise RequestError(400, "invalid_value", said, param=param)
    with house.database.read() as session:
        film = films.finished(session, caller, job_id)
    if film.format != "png":
        said = f"{param}: {film.id} is a film; name a still, or send a picture"
        raise RequestError(400, "invalid_value", said, param=param)
    return house.media.get(film.files["video"])


def kept(house: House, caller: Caller, kind: str, content: bytes, param: str) -> Condition:
    """Keep a picture with the caller's account, drawn anew, and return the condition that names it."""
    try:
        if kind == "subject":
            subject = subjects.drawn(content)
            key, digest = subject.keep(house.media, folder(caller.user.id)), subject.sha256
        else:
            drawn = picture.cleaned(content, longest_px=LONGEST_PX)
            digest = hashlib.sha256(drawn).hexdigest()
            key = f"{folder(caller.user.id)}{digest}.webp"
            house.media.put(key, drawn)
    except InputError as error:
        raise RequestError(400, "invalid_value", f"{param}: {error}", param=param) from None
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


def layout(said: str) -> str:
    """Return the kind of condition (LAID_OUT) that says how a picture lays a film out. Raises: InputError."""
    if said not in LAID_OUT:
        raise InputError(f"a film can't be laid out by {said[:40]!r}; legal: {nearest_first(said[:40], LAID_OUT)}")
    return said


def why_not_laid_out(house: House, model: str) -> str:
    """Return why `model` can't lay a film out like a picture (LAID_OUT); empty where it can, or nobody here knows."""
    native = house.offered.get(model)
    if native is not None:
        return "" if set(LAID_OUT) & set(native.conditions) else f"{model} can't lay films out like pictures"
    can_follow = _can_follow(Path(house.config.weights or SHIPPED))
    return "these weights can't lay films out like pictures" if can_follow is False else ""


@functools.lru_cache(maxsize=4)
def _can_follow(folder: Path) -> bool | None:
    """Return whether the weights in `folder` draw places of a given structure; None where no weights are here."""
    if not (folder / "film" / "config.json").is_file():
        return None
    try:
        backdrop = json.loads((folder / "backdrop" / "config.json").read_text(encoding="utf-8"))["config"]
    except FileNotFoundError:
        return False
    return bool(backdrop.get("structure"))


def _address(value: Any) -> str:
    """Return the address of a picture that a body names, if it names one."""
    address = value.get("image_url", value.get("url")) if isinstance(value, dict) else value
    if isinstance(address, dict):  # as chat models write it
        address = address.get("url")
    return address if isinstance(address, str) else ""


def _film(value: Any) -> str | None:
    """Return the id of the film that a body names, unless it names an address."""
    job_id = value.get("file_id", value.get("id")) if isinstance(value, dict) and not _address(value) else None
    return job_id if isinstance(job_id, str) else None


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
