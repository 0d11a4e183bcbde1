"""Shards: uncompressed tar files of clips, each an mp4 beside its JSON, never rewritten; WebDataset reads them."""

from __future__ import annotations

import io
import tarfile
from typing import BinaryIO

_BLOCK = 512


class ShardWriter:
    """Writes a POSIX tar into `file` whose bytes depend on names and contents alone: no times, no owners."""

    def __init__(self, file: BinaryIO) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed by close()

    @property
    def num_bytes(self) -> int:
        """Return how many bytes were written so far."""
        return self._tar.offset

    def add(self, name: str, content: bytes) -> int:
        """Append a member and return the offset of its first byte of content."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o644
        offset = self._tar.offset + _BLOCK
        self._tar.addfile(member, io.BytesIO(content))
        return offset

    def close(self) -> None:
        """Write the end of the archive; `file` stays open."""
        self._tar.close()
