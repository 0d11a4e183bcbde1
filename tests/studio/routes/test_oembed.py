"""Tests oEmbed: what other sites are told, and about which films."""

from __future__ import annotations

import pytest
import showings
import studios

from rushes.studio.routes.oembed import fitted
from rushes.studio.social.posts import PRIVATE


def test_oembed(tmp_path) -> None:
    with studios.opened(tmp_path) as house, studios.client(house) as talking:
        ann = studios.person(house, "ann")[0]
        post, private = showings.shown(house, ann, title="<boat>"), showings.shown(house, ann, visibility=PRIVATE)
        address = f"{house.config.base_url}/p/{post.id}"
        said = talking.get("/oembed", params={"url": address, "maxwidth": 256}).json()
        assert (said["type"], said["version"], said["width"], said["height"]) == ("video", "1.0", 256, 256)
        assert f'src="{address}/player"' in said["html"] and "&lt;boat&gt;" in said["html"]
        for url in (
            f"{house.config.base_url}/p/{private.id}",
            f"https://evil.example/p/{post.id}",
            "x",
            address + "/y",
        ):
            assert talking.get("/oembed", params={"url": url}).status_code == 404
        assert talking.get("/oembed", params={"url": address, "format": "xml"}).status_code == 501
        assert talking.get("/oembed").status_code == 400


@pytest.mark.parametrize(
    ("asked", "size"), [((9999, 9999), (768, 432)), ((384, 9999), (384, 216)), ((0, 5), (1, 1)), ((100, 10), (18, 10))]
)
def test_fitted(asked, size) -> None:
    assert fitted(768, 432, *asked) == size
