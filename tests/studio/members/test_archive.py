"""Tests archives that are never stored: every range is the same bytes, and zipfile reads them, however large."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rushes import store
from rushes.store import Store
from rushes.studio.members import archive
from rushes.studio.members.archive import Member

FILES = {
    "data/users.json": b"[]\n",
    "films/a/video.mp4": bytes(range(256)) * 300,
    "películas/é.txt": b"",
    "z.bin": b"z",
}


@pytest.fixture
def media(tmp_path: Path) -> Store:
    media = store.at(str(tmp_path / "media"))
    for number, content in enumerate(FILES.values()):
        media.put(f"file/{number}", content)
    return media


def members_of(media: Store) -> list[Member]:
    return [archive.measured(media, name, f"file/{number}") for number, name in enumerate(FILES)]


class Read(io.RawIOBase):
    """An archive as an open file, each read of it a range."""

    def __init__(self, media: Store, members: list[Member]) -> None:
        self._media, self._members, self._at, self._size = media, members, 0, archive.size(members)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        stop = self._size if size < 0 else min(self._size, self._at + size)
        content = b"".join(archive.read(self._media, lambda: self._members, self._at, stop))
        self._at += len(content)
        return content


def test_an_archive_is_a_zip(media: Store, tmp_path: Path) -> None:
    members = members_of(media)
    whole = b"".join(archive.read(media, lambda: members, 0, archive.size(members)))
    assert len(whole) == archive.size(members)
    with zipfile.ZipFile(io.BytesIO(whole)) as zipped:
        assert zipped.testzip() is None
        assert {name: zipped.read(name) for name in zipped.namelist()} == FILES
    if shutil.which("unzip"):
        (tmp_path / "whole.zip").write_bytes(whole)
        assert subprocess.run(["unzip", "-tq", tmp_path / "whole.zip"], capture_output=True).returncode == 0


def test_every_range_is_that_part_of_the_whole(media: Store) -> None:
    members = members_of(media)
    whole = b"".join(archive.read(media, lambda: members, 0, archive.size(members)))
    draw = random.Random(1)
    ranges = [(0, 1), (len(whole) - 1, len(whole)), (29, 31), (5, 5)]
    ranges += [tuple(sorted(draw.sample(range(len(whole) + 1), 2))) for _ in range(200)]
    for start, stop in ranges:
        assert b"".join(archive.read(media, lambda: members, start, stop)) == whole[start:stop]


def test_an_empty_archive_is_one_too(media: Store) -> None:
    with zipfile.ZipFile(Read(media, [])) as zipped:
        assert zipped.namelist() == []


def test_a_file_and_an_offset_beyond_four_gigabytes(media: Store, tmp_path: Path) -> None:
    large = tmp_path / "media" / "large"
    with large.open("wb") as file:
        file.truncate(5 << 30)  # takes no room on the disk
    members = [Member(name="large.mp4", key="large", num_bytes=5 << 30, crc=0), *members_of(media)]
    with zipfile.ZipFile(Read(media, members)) as zipped:
        assert zipped.getinfo("large.mp4").file_size == 5 << 30
        assert zipped.getinfo("z.bin").header_offset > 5 << 30
        assert {name: zipped.read(name) for name in FILES} == FILES
        with zipped.open("large.mp4") as file:
            assert file.read(10) == bytes(10)


def test_more_files_than_sixteen_bits_count(media: Store) -> None:
    members = [Member(name=f"{number}", key="file/2", num_bytes=0, crc=0) for number in range(66_000)]
    whole = io.BytesIO(b"".join(archive.read(media, lambda: members, 0, 1 << 30)))
    with zipfile.ZipFile(whole) as zipped:
        assert len(zipped.namelist()) == 66_000
        assert zipped.read("65999") == b""


def test_measuring_reads_in_pieces(media: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PIECE", 256)  # 76,800 bytes are a whole number of these
    asked: list[int] = []
    get = media.get

    def counted(key: str, *, start: int = 0, length: int | None = None) -> bytes:
        asked.append(length or 0)
        return get(key, start=start, length=length)

    monkeypatch.setattr(media, "get", counted)
    member = archive.measured(media, "a", "file/1")
    assert (member.num_bytes, max(asked)) == (76_800, 256)
    pieces: Iterator[bytes] = archive.read(media, lambda: [member], 0, archive.size([member]))
    assert max(len(piece) for piece in pieces) <= 256
