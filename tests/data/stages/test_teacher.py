"""Tests of the stage `teacher`: one row per clip, whatever the teacher does."""

import base64
import json
import threading
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import teachers_there

from rushes import registry
from rushes.data.captioning.looking import to_jpeg
from rushes.data.dataset import Dataset
from rushes.data.decode.analysis import Analysis, Pictures, View
from rushes.data.run import curate
from rushes.data.select import SelectConfig
from rushes.data.settings import CurateConfig
from rushes.data.shots import ShotConfig
from rushes.data.stages.teacher import COLUMNS, SPEC
from rushes.data.workers.pool import LocalRunner
from rushes.media.encode import encode
from rushes.media.probe import Probe
from rushes.types import Clip, Span, VideoShape

PROBE = Probe(
    container="mp4", codec="h264", width=8, height=8, fps=Fraction(4), num_frames=8, duration_s=2.0, pix_fmt="rgb24",
    rotation=0,
)  # fmt: skip


class Endpoint(BaseHTTPRequestHandler):
    """Describes black clips and talks rubbish of white ones."""

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        num = body.count("image_url") // 2
        said = json.dumps({"medium": f"a clip of {num} pictures"}) if BLACK in body else "Sure! Here you go."
        answer = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def jpeg(level: int) -> bytes:
    return to_jpeg(np.full((8, 8, 3), level, np.uint8))


BLACK = base64.b64encode(jpeg(0)).decode()


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def clip_view(jpegs: tuple[bytes, ...]) -> View:
    span = Span(start_s=Fraction(0), end_s=Fraction(2))
    clip = Clip(id="c", source="s", span=span, shape=VideoShape(frames=8, height=8, width=8), fps=Fraction(4))
    pictures = Pictures(times_s=np.arange(len(jpegs)) / 4, jpegs=jpegs)
    return View(clip=clip, analysis=Analysis(probe=PROBE, times_s=np.zeros(0), signals={}, pictures=pictures))


def test_every_clip_has_a_row(place: str) -> None:
    views = [clip_view((jpeg(0),) * 8), clip_view((jpeg(255),) * 8), clip_view(()), clip_view((jpeg(0),) * 2)]
    rows = list(SPEC.load(f"{place} m frames=4")(views))
    assert rows[0]["medium"] == "a clip of 4 pictures" and rows[3]["medium"] == "a clip of 2 pictures"
    assert set(rows[0]) == set(COLUMNS) and rows[0]["teacher"] == "m"
    assert list(rows[1]) == ["failed"] and "no JSON" in rows[1]["failed"]
    assert list(rows[2]) == ["failed"] and "no picture" in rows[2]["failed"]


def test_an_endpoint_that_is_gone_fails_every_row() -> None:
    rows = list(SPEC.load("http://127.0.0.1:1/v1 m tries=1")([clip_view((jpeg(0),))] * 2))
    assert all("does not answer" in row["failed"] for row in rows) and len(rows) == 2


def test_it_is_found_by_name_and_versions_tell_teachers_apart() -> None:
    assert registry.find("data.stages", "teacher") is SPEC
    versions = {SPEC.version(f"http://a/v1 {words}") for words in ("m", "n", "m frames=2", "m tries=1")}
    assert len(versions) == 3


def test_a_model_in_a_worker_captions_a_dataset_once(tmp_path: Path) -> None:
    folder = teachers_there.save_teacher(tmp_path / "teacher")
    (tmp_path / "films").mkdir()
    for level in teachers_there.SAYS:
        frames = np.full((24, 64, 64, 3), level, np.uint8)
        shape = VideoShape(frames=24, height=64, width=64)
        encode(tmp_path / "films" / f"{level}.mp4", frames, fps=12, shape=shape)
    asked = f"transformers {folder} frames={teachers_there.PICTURES}"
    config = CurateConfig(stages={"teacher": asked}, shots=ShotConfig(min_s=0.5), select=SelectConfig(cuts={}))
    place = str(tmp_path / "data")
    with LocalRunner(1, silent_s=120, memory_mb=4096) as runner:
        curate(place, [str(tmp_path / "films")], config, runner)
        again = curate(place, [str(tmp_path / "films")], config, runner)
    data = Dataset.open(place)
    level_of = {row["sha256"]: int(Path(row["uri"]).stem) for row in data.sources().to_pylist()}
    source_of = {row["clip_id"]: row["source"] for row in data.clips().to_pylist()}
    rows = {level_of[source_of[row["clip_id"]]]: row for row in data.rows("teacher").to_pylist()}
    assert (rows[0]["outcome"], rows[0]["medium"]) == ("ok", "a black clip") and rows[0]["teacher"] == str(folder)
    assert (rows[255]["outcome"], rows[255]["medium"]) == ("ok", "a white clip")
    assert rows[128]["outcome"] == "failed" and "no JSON: 'I am very sorry.'" in rows[128]["reason"]
    assert again.num_rows == 0
