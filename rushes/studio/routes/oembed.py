"""oEmbed: how other sites learn to play a film when somebody pastes its address. Source: oembed.com, version 1.0."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter

from rushes.serve.client.jobs import Job
from rushes.studio.errors import RequestError, unknown
from rushes.studio.social import posts
from rushes.studio.who import TheHouse

SPEC = APIRouter()
SMALLEST, LARGEST = 1, 10_000


@SPEC.get("/oembed", include_in_schema=False)
def oembed(
    house: TheHouse, url: str, format: str = "json", maxwidth: int = LARGEST, maxheight: int = LARGEST
) -> dict[str, Any]:
    """Return how to embed the film whose page is `url`, no larger than asked."""
    if format != "json":
        raise RequestError(501, "format_not_supported", f"format {format[:20]!r} is not supported; supported: json")
    parts, base = urlsplit(url), urlsplit(house.config.base_url)
    place = parts.path.strip("/").split("/")
    if parts.netloc != base.netloc or len(place) != 2 or place[0] != "p":
        raise unknown("film at", url[:200])
    with house.database.read() as session:
        post, author = posts.find(session, place[1], None)
        shape = session.get_one(Job, post.job_id).request["shape"]
    width, height = fitted(shape["width"], shape["height"], maxwidth, maxheight)
    address = f"{house.config.base_url}/p/{post.id}"
    title = html.escape(post.title)
    size = f'width="{width}" height="{height}"'
    frame = f'<iframe src="{address}/player" {size} title="{title}" style="border:0" allowfullscreen></iframe>'
    return {
        "version": "1.0",
        "type": "video",
        "title": post.title,
        "author_name": author.name,
        "author_url": f"{house.config.base_url}/@{author.username}",
        "provider_name": house.config.name,
        "provider_url": house.config.base_url,
        "thumbnail_url": f"{address}/thumbnail.file",
        "thumbnail_width": width,
        "thumbnail_height": height,
        "width": width,
        "height": height,
        "html": frame,
    }


def fitted(width: int, height: int, most_wide: int, most_high: int) -> tuple[int, int]:
    """Return a size of the same shape that is no larger than asked, at least 1 x 1."""
    share = min(1.0, max(SMALLEST, most_wide) / width, max(SMALLEST, most_high) / height)
    return max(1, round(width * share)), max(1, round(height * share))
