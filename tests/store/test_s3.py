"""What is special about a bucket: parts, unfinished uploads, and one clear line for each way not to get in."""

import io
import os
import urllib.request

import boto3
import bucket_server
import pytest

from rushes import store
from rushes.errors import InputError, RushesError
from rushes.store.s3 import PART_BYTES, S3Store


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve the bucket `films`; return its folder."""
    folder, port = tmp_path_factory.mktemp("buckets"), bucket_server.free_port()
    (folder / "films").mkdir()
    with pytest.MonkeyPatch.context() as patch, bucket_server.serving(folder, port):
        for name, value in bucket_server.environment(port).items():
            patch.setenv(name, value)
        yield folder / "films"


class Reader(io.RawIOBase):
    """`num_bytes` of a pattern, as a stream without a length or a way back; after `fails_at` it breaks."""

    def __init__(self, num_bytes, fails_at=None):
        self.left, self.fails_at, self.given = num_bytes, fails_at, 0

    def read(self, size=-1):
        if self.fails_at is not None and self.given >= self.fails_at:
            raise KeyboardInterrupt
        size = min(self.left, 1 << 20 if size < 0 else size)
        piece = bytes((self.given + i) % 251 for i in range(16)) * (size // 16 + 1)
        self.left, self.given = self.left - size, self.given + size
        return piece[:size]


def test_an_address_is_a_bucket_and_a_prefix(served):
    store.at("s3://films/a/prefix/").put("x/y.mp4", b"1")
    assert (served / "a/prefix/x/y.mp4").read_bytes() == b"1"
    assert store.at("s3://films").list("a/") == ["a/prefix/x/y.mp4"]
    assert store.at("s3://films/a/prefix").list() == ["x/y.mp4"]
    assert store.at("s3://films/a/pre").list() == []


def test_large_content_goes_up_in_parts_and_comes_back(served):
    kept, size = store.at("s3://films/large"), 2 * PART_BYTES + 5
    kept.put("a", Reader(size))
    kept.put("b", os.urandom(PART_BYTES + 1))
    whole = kept.get("a")
    assert len(whole) == size == (served / "large/a").stat().st_size
    assert kept.get("a", start=PART_BYTES - 3, length=7) == whole[PART_BYTES - 3 : PART_BYTES + 4]
    assert kept.get("b") == (served / "large/b").read_bytes()


def test_a_file_stays_open_for_its_owner(served):
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    store.at("s3://films/open").put("a", file)
    assert not file.closed and store.at("s3://films/open").get("a") == b"456789"


def test_an_upload_that_breaks_leaves_the_old_content_and_no_parts(served):
    kept = store.at("s3://films/breaks")
    kept.put("a", b"old")
    with pytest.raises(KeyboardInterrupt):
        kept.put("a", Reader(3 * PART_BYTES, fails_at=2 * PART_BYTES))
    assert kept.get("a") == b"old" and kept.list() == ["a"]
    assert unfinished() == []


def unfinished():
    try:
        return boto3.client("s3", region_name="us-east-1").list_multipart_uploads(Bucket="films").get("Uploads", [])
    except boto3.client("s3", region_name="us-east-1").exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchUpload"  # what rclone says of none
        return []


def test_a_sweep_gives_up_what_a_killed_writer_left_below_the_prefix(served):
    client = boto3.client("s3", region_name="us-east-1")
    for name in ("swept/a", "other/a"):
        client.create_multipart_upload(Bucket="films", Key=name)
    store.at("s3://films/swept").sweep()
    assert [upload["Key"] for upload in unfinished()] == ["other/a"]
    store.at("s3://films/other").sweep()
    assert unfinished() == []


def test_whoever_has_the_url_can_read(served):
    kept = store.at("s3://films/signed")
    kept.put("ein Boot.mp4", b"film")
    url = kept.url("ein Boot.mp4")
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"film"
    with pytest.raises(urllib.error.HTTPError, match=r"HTTP Error 40[03]") as refused:
        urllib.request.urlopen(url.partition("?")[0])
    refused.value.close()


@pytest.mark.parametrize("place", ["s3://", "s3://Films", "s3://a", "s3:///a", "s3://fi lms/a"])
def test_what_names_no_bucket_is_refused(place):
    with pytest.raises(InputError, match="a legal address looks like 's3://bucket/prefix'"):
        store.at(place)


def test_an_illegal_prefix_is_refused(served):
    with pytest.raises(InputError, match="is illegal"):
        store.at("s3://films/a/../b")


def test_each_way_not_to_get_in_is_one_line(served, monkeypatch):
    with pytest.raises(InputError, match=r"cannot open s3://nowhere at http://127.*: there is no such bucket"):
        store.at("s3://nowhere")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(InputError, match="have no right to it, or are wrong"):
        store.at("s3://films")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(InputError, match=r"no credentials for s3://films .* set AWS_ACCESS_KEY_ID"):
        store.at("s3://films")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "no address")
    with pytest.raises(InputError, match="settings for S3 are wrong"):
        store.at("s3://films")


def test_a_bucket_that_goes_away_in_the_middle_is_a_failure_of_the_run(tmp_path, monkeypatch):
    port = bucket_server.free_port()
    (tmp_path / "films").mkdir()
    for name, value in bucket_server.environment(port).items():
        monkeypatch.setenv(name, value)
    with bucket_server.serving(tmp_path, port):
        kept = S3Store("films")
        kept.put("a", b"1")
    for verb in (kept.list, lambda: kept.get("a"), lambda: kept.put("b", b""), lambda: kept.delete("a")):
        with pytest.raises(RushesError, match="could not") as failed:
            verb()
        assert not isinstance(failed.value, InputError)
    monkeypatch.setenv("AWS_REGION", "elsewhere")  # a client that this process has not opened yet
    with pytest.raises(InputError, match=r"cannot reach s3://films at http://127"):
        store.at("s3://films")
