"""The request that made a film travels inside the file: written as ASCII JSON into each format's own metadata.

| format | place |
|---|---|
| mp4 | the `comment` tag (survives a remux, players show it) |
| gif | a comment extension before the trailer |
| webp | an XMP chunk |
| png | a `comment` tEXt chunk |

ASCII JSON (`\\u` escapes) because a GIF comment is 7-bit and tEXt is Latin-1: one encoding that all four hold.
"""

from __future__ import annotations

import difflib
import json
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import av
import av.error
from PIL import Image, PngImagePlugin

from rushes.errors import InputError

KEY = "rushes_request"
XMP_NAMESPACE = "urn:rushes:request"
_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:r="{namespace}"><r:request>{text}</r:request></rdf:Description>'
    "</rdf:RDF></x:xmpmeta>"
)
_SIGNATURES = {b"GIF87a": "gif", b"GIF89a": "gif", b"\x89PNG\r\n\x1a\n": "png"}
_XMP_FLAG, _ALPHA_FLAG = 0x04, 0x10


def to_text(request: dict[str, Any]) -> str:
    """Return the request as the ASCII JSON that the files carry.

    Raises:
        InputError: the request holds something that JSON cannot.
    """
    try:
        return json.dumps({KEY: request}, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InputError(f"the request is no plain JSON: {error}") from None


def embed(path: Path, text: str) -> None:
    """Add `text` (from `to_text`) to a finished GIF or WebP file, in place.

    mp4 and png get theirs while they are written. Raises InputError for a file cut short or of another kind.
    """
    kind = sniff(path)
    if kind == "gif":
        _embed_gif(path, text.encode("ascii"))
    elif kind == "webp":
        _embed_webp(path, _XMP.format(namespace=XMP_NAMESPACE, text=escape(text)).encode("ascii"))
    else:
        raise InputError(f"{path.name} is neither a GIF nor a WebP file")


def read_request(path: Path) -> dict[str, Any]:
    """Return the request that made the film or still at `path`.

    Raises:
        InputError: no such file, a damaged one, or one that carries no request.
    """
    require_file(path)
    reader = {"gif": _read_gif, "webp": _read_webp, "png": _read_png}.get(sniff(path), _read_container)
    for text in reader(path):
        try:
            found = json.loads(text)
        except ValueError:
            continue
        if isinstance(found, dict) and isinstance(found.get(KEY), dict):
            return found[KEY]
    raise InputError(f"{path.name} carries no request; only films and stills that rushes made do")


def require_file(path: Path) -> None:
    """Raise InputError unless `path` is a file with something in it; the nearest name in its folder is offered."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a film")
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = difflib.get_close_matches(path.name, siblings, n=1)
        raise InputError(f"there is no file {path}" + (f"; the nearest is {near[0]}" if near else ""))
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")


def sniff(path: Path) -> str:
    """Return `gif`, `webp`, `png`, or `container` for anything else, from the first bytes and not from the name."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return next((kind for signature, kind in _SIGNATURES.items() if head.startswith(signature)), "container")


# mp4 and the other containers


def _read_container(path: Path) -> Iterator[str]:
    try:
        with av.open(str(path.absolute()), options={"format_whitelist": "mov,mp4,matroska,webm"}) as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
    except (av.error.FFmpegError, UnicodeDecodeError):
        raise InputError(f"{path.name} is no film or still that rushes can read a request from") from None
    if "comment" in tags:
        yield tags["comment"]


# png


def png_text(text: str) -> PngImagePlugin.PngInfo:
    """Return the chunk list that puts `text` into a PNG as Pillow saves it."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("comment", text)
    return chunks


def _read_png(path: Path) -> Iterator[str]:
    try:
        with Image.open(path) as image:
            image.load()
            yield str(image.info.get("comment", ""))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path.name} is a damaged PNG: {error}") from None


# gif: https://www.w3.org/Graphics/GIF/spec-gif89a.txt


def _embed_gif(path: Path, text: bytes) -> None:
    pieces = [text[start : start + 255] for start in range(0, len(text), 255)]
    blocks = b"".join(bytes([len(piece)]) + piece for piece in pieces)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        if file.read(1) != b";":
            raise InputError(f"{path.name} is cut short: a GIF ends with ';'")
        file.seek(-1, 2)
        file.write(b"!\xfe" + blocks + b"\0;")


def gif_comments(path: Path) -> list[bytes]:
    """Return every comment of a GIF, after walking all its blocks.

    Raises:
        InputError: the file ends before its trailer, or holds a block of no known kind.
    """
    data, comments = path.read_bytes(), []
    try:
        at = 13 + _colour_table_bytes(data[10])
        while (marker := data[at]) != 0x3B:
            if marker == 0x21:
                is_comment, (body, at) = data[at + 1] == 0xFE, _sub_blocks(data, at + 2)
                if is_comment:
                    comments.append(body)
            elif marker == 0x2C:
                _, at = _sub_blocks(data, at + 11 + _colour_table_bytes(data[at + 9]), keep=False)
            else:
                raise InputError(f"{path.name} is a damaged GIF: unknown block {marker:#x} at byte {at}")
    except IndexError:
        raise InputError(f"{path.name} is cut short: the GIF has no trailer") from None
    return comments


def _colour_table_bytes(packed: int) -> int:
    return 3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0


def _sub_blocks(data: bytes, at: int, *, keep: bool = True) -> tuple[bytes, int]:
    parts = []
    while size := data[at]:
        if keep:
            parts.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    return b"".join(parts), at + 1


def _read_gif(path: Path) -> Iterator[str]:
    for comment in gif_comments(path):
        yield comment.decode("ascii", errors="replace")


# webp: https://developers.google.com/speed/webp/docs/riff_container


def webp_chunks(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """Yield (four letters, first byte of the body, length of the body) for each top-level chunk of a WebP.

    Raises:
        InputError: the file is shorter than its own header says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        _, end = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
        if size < end + 8 or end < 4:
            raise InputError(f"{path.name} is cut short: {size} of {end + 8} bytes")
        at = 12
        while at + 8 <= end + 8:
            file.seek(at)
            name, length = struct.unpack("<4sI", file.read(8))
            if at + 8 + length > end + 8:
                raise InputError(f"{path.name} is a damaged WebP: chunk {name!r} runs over the end")
            yield name, at + 8, length
            at += 8 + length + length % 2


def _embed_webp(path: Path, xmp: bytes) -> None:
    """Append the XMP chunk; a simple file first gets the VP8X header without which no metadata is legal."""
    first, at, _ = next(iter(webp_chunks(path)))
    data = bytearray(path.read_bytes())
    if first == b"VP8X":
        data[at] |= _XMP_FLAG
    else:
        width, height, has_alpha = simple_webp_size(first, bytes(data[at : at + 10]))
        flags = _XMP_FLAG | (_ALPHA_FLAG if has_alpha else 0)
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        data[12:12] = b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + sides
    data += b"XMP " + struct.pack("<I", len(xmp)) + xmp + b"\0" * (len(xmp) % 2)
    data[4:8] = struct.pack("<I", len(data) - 8)
    path.write_bytes(data)


def simple_webp_size(name: bytes, body: bytes) -> tuple[int, int, bool]:
    """Return (width, height, has alpha) in pixels from the first ten bytes of a VP8 or VP8L chunk."""
    if name == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF, False
    bits = int.from_bytes(body[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)


def _read_webp(path: Path) -> Iterator[str]:
    for name, at, length in webp_chunks(path):
        if name != b"XMP ":
            continue
        with path.open("rb") as file:
            file.seek(at)
            xmp = file.read(length)
        if b"<!" in xmp:  # a document type could define entities that grow without end
            continue
        try:
            found = ET.fromstring(xmp).find(f".//{{{XMP_NAMESPACE}}}request")
        except ET.ParseError:
            continue
        if found is not None and found.text:
            yield found.text
