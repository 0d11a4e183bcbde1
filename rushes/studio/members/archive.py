"""Zip archives that are never stored: sizes and checksums are known before, so any range of bytes can be written alone.

Files lie in them as they are, not compressed: films are compressed already, and so every offset is a sum.
Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3 (zip64).
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rushes.store import Store

PIECE = 1 << 20
FAR, MANY = 0xFFFFFFFF, 0xFFFF  # from here on zip64's longer numbers are needed
UNIX, PLAIN_FILE = 3, 0o100644 << 16

Source = Callable[[int, int], Iterator[bytes]]  # start, stop -> those bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of an archive: its name there, and the key under which a store keeps it."""

    name: str
    key: str
    num_bytes: int
    crc: int


def measured(media: Store, name: str, key: str) -> Member:
    """Return the member that the file `key` will be; it is read once, in pieces."""
    crc = num_bytes = 0
    while piece := media.get(key, start=num_bytes, length=PIECE):
        crc, num_bytes = zlib.crc32(piece, crc), num_bytes + len(piece)
        if len(piece) < PIECE:
            break
    return Member(name=name, key=key, num_bytes=num_bytes, crc=crc)


def size(members: Iterable[Member]) -> int:
    """Return the archive's number of bytes."""
    data = directory = count = 0
    for member in members:
        directory += len(_record(member, data))
        data += len(_header(member)) + member.num_bytes
        count += 1
    return data + directory + len(_ending(count, directory, data))


def read(media: Store, members: Callable[[], Iterable[Member]], start: int, stop: int) -> Iterator[bytes]:
    """Yield the archive's bytes from `start` to `stop`; `members` is gone through twice, always in the same order."""
    at = 0
    for length, source in _parts(media, members):
        if at >= stop:
            return
        if at + length > start:
            yield from source(max(0, start - at), min(length, stop - at))
        at += length


def _parts(media: Store, members: Callable[[], Iterable[Member]]) -> Iterator[tuple[int, Source]]:
    """Yield the length and the content of each part: headers and files, then the directory, then its end."""
    data = directory = count = 0
    for member in members():
        header = _header(member)
        yield len(header), _held(header)
        yield member.num_bytes, _stored(media, member.key)
        data += len(header) + member.num_bytes
    offset = 0
    for member in members():
        record = _record(member, offset)
        yield len(record), _held(record)
        offset += len(_header(member)) + member.num_bytes
        directory, count = directory + len(record), count + 1
    ending = _ending(count, directory, data)
    yield len(ending), _held(ending)


def _held(content: bytes) -> Source:
    def source(start: int, stop: int) -> Iterator[bytes]:
        yield content[start:stop]

    return source


def _stored(media: Store, key: str) -> Source:
    def source(start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, stop, PIECE):
            yield media.get(key, start=at, length=min(PIECE, stop - at))

    return source


def _entry(member: Member) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(member.name)
    entry.file_size = entry.compress_size = member.num_bytes
    entry.CRC = member.crc
    return entry


def _header(member: Member) -> bytes:
    return _entry(member).FileHeader()


def _record(member: Member, offset: int) -> bytes:
    """Return a file's line in the directory; numbers too large for it stand in a zip64 field behind the name."""
    header = _header(member)
    need, flags, method, time, date = struct.unpack("<5H", header[4:14])
    (name_length,) = struct.unpack("<H", header[26:28])
    name = header[30 : 30 + name_length]
    large = [number for number in (member.num_bytes, member.num_bytes, offset) if number >= FAR]
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    need = max(need, 45) if large else need
    length, place = min(member.num_bytes, FAR), min(offset, FAR)
    made = struct.pack("<4s6H", b"PK\1\2", UNIX << 8 | need, need, flags, method, time, date)
    made += struct.pack("<3L", member.crc, length, length)
    return made + struct.pack("<5H2L", len(name), len(extra), 0, 0, 0, PLAIN_FILE, place) + name + extra


def _ending(count: int, directory: int, start: int) -> bytes:
    """Return what stands behind the directory: where it begins, how long it is."""
    long = b""
    if count >= MANY or directory >= FAR or start >= FAR:
        long = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, directory, start)
        long += struct.pack("<4sLQL", b"PK\6\7", 0, start + directory, 1)
    few, near, place = min(count, MANY), min(directory, FAR), min(start, FAR)
    return long + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, few, few, near, place, 0)
