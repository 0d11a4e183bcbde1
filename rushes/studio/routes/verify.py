"""Where a film comes from: a page and an endpoint that read its manifest and its mark."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, UploadFile
from fastapi.responses import Response

from rushes.errors import RushesError
from rushes.studio.errors import RequestError
from rushes.studio.page import page
from rushes.studio.trust import provenance
from rushes.studio.who import TheHouse, Visitor, own_form

SPEC = APIRouter()
LARGEST_BYTES = 200 << 20
SAID = {
    "ours": "This film was made here, and nothing about it has been changed since.",
    "marked": "This film bears this studio's mark: it was made here, and its file was changed or encoded again later.",
    "altered": "This film was signed here, but it has been changed since: the signature no longer holds.",
    "foreign": "This film carries a manifest that somebody else signed; what it says is theirs to vouch for.",
    "unknown": "Neither a signature nor this studio's mark was found. That does not say where the film comes from.",
}


@SPEC.get("/verify", include_in_schema=False)
def form(request: Request, visitor: Visitor) -> Response:
    """Show the form."""
    return page(request, "verify.html", visitor, found=None, said="", name="")


@SPEC.post("/verify", include_in_schema=False, dependencies=[Depends(own_form)])
def verify(request: Request, visitor: Visitor, house: TheHouse, film: UploadFile) -> Response:
    """Show what is known of a film that was sent."""
    found = _checked(house, film)
    return page(request, "verify.html", visitor, found=found, said=SAID[found["verdict"]], name=film.filename or "film")


@SPEC.post("/api/verify", summary="Where a film comes from: its C2PA manifest and this studio's mark")
def verify_api(house: TheHouse, film: Annotated[UploadFile, "an mp4, gif, webp or png"]) -> dict[str, Any]:
    """Return what is known of a film that was sent; anybody may ask."""
    return _checked(house, film)


def _checked(house: TheHouse, film: UploadFile) -> dict[str, Any]:
    content = film.file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise RequestError(413, "too_large", f"the film is larger than {LARGEST_BYTES >> 20} MB", param="film")
    if not content:
        raise RequestError(400, "empty_file", "the film is empty; choose a file", param="film")
    try:
        return provenance.check(house, content)
    except RushesError as error:
        raise RequestError(400, "unreadable_film", str(error), param="film") from None
