"""Which keys are legal, in every store alike."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from rushes.errors import InputError

HIDDEN = ".part-"  # begins the names of half-written files
_MAX_KEY_BYTES = 1024
_MAX_NAME_BYTES = 255


def require_legal(key: str) -> list[str]:
    """Return the names of a key: joined by `/`, none of them empty, `.`, `..` or begun by HIDDEN.

    Raises:
        InputError: an illegal key.
    """
    parts = key.split("/")
    bad = {"", ".", ".."}
    is_plain = key.isprintable() and "\\" not in key and len(key.encode(errors="replace")) <= _MAX_KEY_BYTES
    if not is_plain or any(part in bad or part.startswith(HIDDEN) for part in parts):
        raise InputError(f"key {key[:80]!r} is illegal; a legal one looks like 'films/2025/boat.mp4'")
    if any(len(part.encode(errors="replace")) > _MAX_NAME_BYTES for part in parts):
        raise InputError(f"key {key[:80]!r}... is illegal; a name between slashes has at most {_MAX_NAME_BYTES} bytes")
    return parts


def missing(key: str, keys: Sequence[str]) -> InputError:
    """Return the error about a key that is not among `keys`; it names the nearest."""
    near = difflib.get_close_matches(key, keys, n=1)
    return InputError(f"the store has no {key!r}" + (f"; the nearest is {near[0]!r}" if near else ""))
