"""Tests of shards: plain tars whose members lie where the offsets say, the same bytes for the same clips."""

import io
import tarfile

from rushes.data.shards import ShardWriter


def written(members):
    file = io.BytesIO()
    writer = ShardWriter(file)
    offsets = [writer.add(name, content) for name, content in members]
    writer.close()
    return file.getvalue(), offsets


MEMBERS = [("a.mp4", b"film" * 300), ("a.json", b"{}"), ("b.mp4", b""), ("c" * 32 + ".mp4", b"x" * 512)]


def test_offsets_lead_to_the_content_and_tarfile_agrees():
    content, offsets = written(MEMBERS)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert [(m.name, m.offset_data, m.size) for m in tar] == [
            (name, offset, len(data)) for (name, data), offset in zip(MEMBERS, offsets, strict=True)
        ]
    for (_, data), offset in zip(MEMBERS, offsets, strict=True):
        assert content[offset : offset + len(data)] == data


def test_bytes_follow_from_the_members_alone():
    assert written(MEMBERS) == written(MEMBERS)
    assert len(written(MEMBERS)[0]) % 512 == 0
