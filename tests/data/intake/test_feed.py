"""Tests of feeds: a real server on this machine; films are fetched once and whole, what is hostile is said."""

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tiny

from rushes.data.dataset import Dataset
from rushes.data.intake.feed import Feed, FeedConfig, is_feed, name_of
from rushes.data.intake.watch import WatchConfig, feed_place, grow
from rushes.errors import InputError
from rushes.store import at

RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel>
<title>films</title><link>http://x/</link><description>films</description>{}</channel></rss>"""
ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>films</title>
<entry><title>a</title><link rel="enclosure" type="video/mp4" href="/a.mp4"/></entry></feed>"""


def rss(*films, kind="video/mp4"):
    return RSS.format("".join(f'<item><enclosure url="{f}" length="1" type="{kind}"/></item>' for f in films))


class Site:
    """Serves `pages` (path -> bytes, a promised length too great, or a redirect) and counts who asks for what."""

    def __init__(self):
        self.pages, self.asked = {}, []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append(self.path)
                page = site.pages.get(self.path)
                if isinstance(page, str) and page.startswith("to "):
                    self.send_response(302)
                    self.send_header("Location", page[3:])
                    self.end_headers()
                    return
                self.send_response(404 if page is None else 200)
                content = b"" if page is None else page.encode() if isinstance(page, str) else page
                promised = len(content) + (100 if self.path.startswith("/short") else 0)
                self.send_header("Content-Length", str(promised))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(content)

            def log_message(self, *said):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()


def fetch(site, folder, at_most=10, **config):
    said = []
    feed = Feed(f"{site.url}/feed", str(folder), FeedConfig(**config))
    more = feed.fetch(at_most, lambda: False, said.append)
    return more, at(str(folder)).list(), said


def test_each_film_is_fetched_once_and_no_more_than_asked(site, tmp_path):
    site.pages = {f"/{n}.mp4": n.encode() for n in "abc"} | {"/feed": rss("a.mp4", f"{site.url}/b.mp4", "c.mp4")}
    more, keys, said = fetch(site, tmp_path, at_most=2)
    assert more and len(keys) == 2 and said == []
    more, keys, said = fetch(site, tmp_path, at_most=2)
    assert not more and len(keys) == 3 and all(key.startswith("127.0.0.1/") for key in keys)
    assert fetch(site, tmp_path)[0] is False
    assert sorted(path for path in site.asked if path != "/feed") == ["/a.mp4", "/b.mp4", "/c.mp4"]
    assert at(str(tmp_path)).get(name_of(f"{site.url}/b.mp4")) == b"b"


def test_atom_and_media_rss_name_films_too_and_sound_is_none(site, tmp_path):
    site.pages = {"/a.mp4": b"a", "/b": b"b", "/feed": ATOM}
    assert len(fetch(site, tmp_path)[1]) == 1
    site.pages["/feed"] = RSS.format('<item><media:content url="/b" medium="video"/></item>')
    assert len(fetch(site, tmp_path)[1]) == 2
    site.pages["/feed"] = rss("c.mp3", kind="audio/mpeg")
    assert len(fetch(site, tmp_path)[1]) == 2 and "/c.mp3" not in site.asked


def test_what_is_hostile_is_said_and_the_rest_is_fetched(site, tmp_path):
    films = ["large.mp4", "short.mp4", "gone.mp4", "away.mp4", "file:///etc/passwd", "good.mp4"]
    site.pages = {
        "/large.mp4": bytes(1 << 21),
        "/short.mp4": b"ha",
        "/away.mp4": "to ftp://127.0.0.1/x",
        "/good.mp4": b"1",
    }
    site.pages["/feed"] = rss(*films)
    _, keys, said = fetch(site, tmp_path, film_mb=1)
    assert keys == [name_of(f"{site.url}/good.mp4")] and len(said) == 4
    for part in ("larger than 1 MB", "ended after 2 of 102 bytes", "Not Found", "ftp"):
        assert any(part in line for line in said), (part, said)


def test_a_feed_that_cannot_be_read_is_said(site, tmp_path):
    assert "Not Found" in fetch(site, tmp_path)[2][0]
    site.pages["/feed"] = "\0\0 no feed"
    assert "it is no feed" in fetch(site, tmp_path)[2][0]


def test_a_dataset_grows_from_a_feed(site, tmp_path):
    for seed in range(2):
        site.pages[f"/{seed}.mp4"] = tiny.film(tmp_path / f"{seed}.mp4", seed).read_bytes()
    site.pages["/feed"] = rss("0.mp4")
    steps = [lambda: site.pages.update({"/feed": rss("1.mp4", "0.mp4")}), lambda: None]

    def say(text):
        if text.endswith("watching"):
            steps.pop(0)()

    def done():
        return not steps

    place = str(tmp_path / "data")
    watching = WatchConfig(every_s=0.05, settled_s=0.0, say=say)
    for _ in range(2):  # the second run finds nothing new
        grow(place, [f"{site.url}/feed"], tiny.config("motion"), tiny.Serial(), watching=watching, should_stop=done)
        rows = Dataset.open(place).sources().to_pylist()
        assert [row["outcome"] for row in rows] == ["ok", "ok"]
        assert len(list(Path(feed_place(place)).rglob("*.mp4"))) == 2
        steps.append(lambda: None)
    assert site.asked.count("/0.mp4") == site.asked.count("/1.mp4") == 1


def test_addresses_and_settings():
    assert is_feed("https://a/b") and not is_feed("s3://a/b") and not is_feed("http")
    with pytest.raises(InputError, match="film_mb 0 is illegal"):
        FeedConfig(film_mb=0)
    assert name_of("https://a.org:8/x/y.MOV?z=1").startswith("a.org/") and name_of("https://a/x.MOV").endswith(".mov")
