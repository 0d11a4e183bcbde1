"""Configs are frozen dataclasses; this file overrides them with `key.path=value` strings and saves them as JSON."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from rushes.errors import InputError, nearest_first

C = TypeVar("C")


def override(config: C, assignments: Iterable[str]) -> C:
    """Return `config` with each `key.path=value` applied; values are TOML, or a bare word for a string.

    Raises:
        InputError: no `=`, an unknown key (the known ones are listed, nearest first), or a value of another type.
    """
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise InputError(f"{assignment!r} is no key=value; for instance {assignment}=1")
        config = _replace_path(config, key.strip().split("."), text.strip(), key.strip())
    return config


def _replace_path(config: Any, path: list[str], text: str, whole: str) -> Any:
    hints = _hints(type(config))
    if path[0] not in hints:
        raise InputError(f"unknown key {whole!r}; known keys here: {nearest_first(path[0], hints)}")
    old, hint = getattr(config, path[0]), hints[path[0]]
    if len(path) > 1:
        if not dataclasses.is_dataclass(old):
            raise InputError(f"unknown key {whole!r}: {path[0]} has no keys of its own")
        return dataclasses.replace(config, **{path[0]: _replace_path(old, path[1:], text, whole)})
    if dataclasses.is_dataclass(old) and not (text == "none" and _allows_none(hint)):
        inner = ", ".join(_hints(type(old)))
        raise InputError(f"{whole!r} holds keys of its own; name one of {inner}")
    return dataclasses.replace(config, **{path[0]: _read_value(text, hint, whole)})


def _hints(kind: Any) -> dict[str, Any]:
    """Return the type of every field that the constructor takes, in order."""
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind) if f.init}


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (types.UnionType, typing.Union)


def _allows_none(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _read_value(text: str, hint: Any, key: str) -> Any:
    """Return `text` as type `hint`: a string needs no quotes, `none` is None where that is allowed."""
    if text == "none" and _allows_none(hint):
        return None
    try:
        parsed = tomllib.loads(f"v = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    # A line break inside the text would add keys of its own.
    value = parsed["v"] if list(parsed) == ["v"] else text
    try:
        return _fit(value, hint, key)
    except InputError:
        if hint is str or (_is_union(hint) and str in typing.get_args(hint)):
            return text
        raise


def _fit(value: Any, hint: Any, key: str) -> Any:
    """Return `value` as type `hint`: numbers never change silently, lists become tuples, dicts become configs."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if _is_union(hint):
        return _fit_union(value, arguments, key)
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise InputError(f"{key}={value} is illegal; legal: {nearest_first(str(value), map(str, arguments))}")
    if origin is tuple and isinstance(value, (list, tuple)):
        inner = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(inner) != len(value):
            raise InputError(f"{key} has {len(value)} values; it takes {len(inner)}")
        pairs = zip(value, inner, strict=True)
        return tuple(_fit(item, kind, f"{key}[{index}]") for index, (item, kind) in enumerate(pairs))
    if origin is dict and isinstance(value, dict):
        return {_fit(k, arguments[0], key): _fit(v, arguments[1], f"{key}.{k}") for k, v in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return from_dict(hint, value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is not bool and isinstance(value, bool)):
        return value
    legal = "; legal: true, false" if hint is bool else ""
    raise InputError(f"{key}={value} is no {getattr(hint, '__name__', hint)}{legal}")


def _fit_union(value: Any, hints: tuple[Any, ...], key: str) -> Any:
    if value is None and type(None) in hints:
        return None
    problems = []
    for hint in hints:
        if hint is type(None):
            continue
        try:
            return _fit(value, hint, key)
        except InputError as error:
            problems.append(str(error))
    raise InputError("; ".join(problems))


def to_dict(config: Any) -> dict[str, Any]:
    """Return the config as plain JSON types: tuples as lists, paths as strings."""
    return {name: _plain(getattr(config, name)) for name in _hints(type(config))}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_dict(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def save(config: Any, path: Path) -> None:
    """Write the config as JSON, whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    try:
        draft.write_text(json.dumps(to_dict(config), indent=1) + "\n", encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def from_dict(kind: type[C], values: dict[str, Any]) -> C:
    """Return `kind(**values)` with nested configs and tuples restored.

    Raises:
        InputError: unknown or missing keys, or a value of another type.
    """
    hints = _hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        known = nearest_first(unknown[0], hints)
        raise InputError(f"unknown key {unknown[0]!r} in a {kind.__name__}; known keys: {known}")
    empty = dataclasses.MISSING
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(kind)  # type: ignore[arg-type]
    needed = [f.name for f in fields if f.init and f.default is empty and f.default_factory is empty]
    missing = [name for name in needed if name not in values]
    if missing:
        raise InputError(f"a {kind.__name__} needs {', '.join(missing)}")
    return kind(**{name: _fit(value, hints[name], name) for name, value in values.items()})
