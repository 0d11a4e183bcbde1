"""Find a thing by the name of its file: `find("models", "toy")` imports rushes/models/toy.py and returns its SPEC."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from rushes.errors import InputError, nearest_first


def names(package: str) -> list[str]:
    """Return the names of the files in `rushes.<package>`, sorted; packages and what starts with `_` are not things."""
    entries = pkgutil.iter_modules(importlib.import_module(f"rushes.{package}").__path__)
    return sorted(entry.name for entry in entries if not entry.ispkg and not entry.name.startswith("_"))


def find(package: str, name: str) -> Any:
    """Return the SPEC that `rushes/<package>/<name>.py` exports.

    Raises:
        InputError: no such file; the known names are listed, nearest first.
    """
    known = names(package)
    if name not in known:
        raise InputError(f"there is no {name!r} among {package.replace('.', ' ')}; known: {nearest_first(name, known)}")
    return importlib.import_module(f"rushes.{package}.{name}").SPEC
