"""Keeps the shape of the files: their length, their names, their docstrings, and tests that mirror the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("rushes", "tests", "benchmarks")

FILE_LINES, MODEL_FILE_LINES, FUNCTION_LINES, PARAMETERS = 500, 800, 60, 7
LONG_FOLDERS = ("rushes/models", "rushes/nn")
HOUSE_TESTS = {"test_floors", "test_layout", "test_docs", "test_makefile", "test_chain"}
SHARED_TESTS = {
    "store/test_contract.py",  # one contract for every file of a package
    "studio/test_authorisation.py",  # one table for every route
}
FORBIDDEN_FILES = {
    *("util", "utils", "common", "helper", "helpers", "core", "misc", "legacy", "experimental", "vendor", "base"),
    *("manager", "managers", "factory", "factories", "executor", "executors", "callbacks", "pipeline", "pipelines"),
}
FORBIDDEN_NAMES = {"info", "process", "handle", "manager", "util", "utils"}
FORBIDDEN_ENDINGS = ("Manager", "Factory", "Executor", "Helper", "Utils", "Util")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(root: Path) -> list[Path]:
    """Return every file of ours; migrations are written by Alembic, and never again once they are released."""
    found = (file for folder in FOLDERS for file in (root / folder).rglob("*.py"))
    return sorted(file for file in found if file.parent.name != "versions")


def parse(file: Path) -> ast.Module:
    return parsed(file.read_text(encoding="utf-8"))


parsed = cache(ast.parse)  # four checks look at every file


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """Forget the trees of all files afterwards; they are large."""
    yield
    parsed.cache_clear()


def functions(root: Path) -> Iterator[tuple[str, Function]]:
    """Yield (place, function) of every function, method and inner function."""
    for file in files(root):
        for node in ast.walk(parse(file)):
            if isinstance(node, Function):
                yield f"{file.relative_to(root)}:{node.lineno} {node.name}", node


def long_files(root: Path) -> list[str]:
    """Return the files over 500 lines, or 800 where a model family lives."""
    wrong = []
    for file in files(root):
        name, lines = file.relative_to(root).as_posix(), len(file.read_text(encoding="utf-8").splitlines())
        limit = MODEL_FILE_LINES if name.startswith(LONG_FOLDERS) else FILE_LINES
        if lines > limit:
            wrong.append(f"{name} has {lines} lines; at most {limit}")
    return wrong


def long_functions(root: Path) -> list[str]:
    """Return the functions over 60 lines, decorators not counted."""
    lengths = ((place, (node.end_lineno or node.lineno) - node.lineno + 1) for place, node in functions(root))
    return [
        f"{place} has {lines} lines; at most {FUNCTION_LINES}" for place, lines in lengths if lines > FUNCTION_LINES
    ]


def wide_functions(root: Path) -> list[str]:
    """Return the public functions that take more than 7 parameters; a click command's are its options.

    What a server hands to its tools besides (`ctx`) is none.
    """
    wrong = []
    for place, node in functions(root):
        is_command = any("command" in ast.unparse(decorator) for decorator in node.decorator_list)
        if is_command or (node.name.startswith("_") and node.name != "__init__"):
            continue
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        count = len([name for name in names if name not in ("self", "cls", "ctx")])
        if count > PARAMETERS and not place.startswith("tests/"):
            wrong.append(f"{place} takes {count} parameters; at most {PARAMETERS}")
    return wrong


def bare_files(root: Path) -> list[str]:
    """Return the modules that do not start with a docstring sentence; an empty `__init__.py` needs none."""
    wrong = []
    for file in files(root):
        tree = parse(file)
        first = (ast.get_docstring(tree) or "").partition("\n")[0]
        if tree.body and not first.endswith((".", ":", "?")):
            wrong.append(f"{file.relative_to(root)} does not start with a docstring sentence")
    return wrong


def unmirrored_tests(root: Path) -> list[str]:
    """Return the test files that mirror no source file: tests/a/test_b.py is for rushes/a/b.py or rushes/a/b/."""
    wrong = []
    for file in sorted((root / "tests").rglob("test_*.py")):
        place = file.relative_to(root / "tests")
        source = root / "rushes" / place.parent / place.stem.removeprefix("test_")
        is_house = place.as_posix() in SHARED_TESTS or (place.stem in HOUSE_TESTS and len(place.parts) == 1)
        if not is_house and not source.with_suffix(".py").is_file() and not (source / "__init__.py").is_file():
            wrong.append(f"tests/{place} mirrors nothing; there is no {source.relative_to(root)}.py")
    return wrong


def forbidden_names(root: Path) -> list[str]:
    """Return the files, folders and identifiers whose name says nothing."""
    wrong = []
    for file in files(root):
        place = file.relative_to(root)
        parts = {part.removeprefix("test_") for part in place.with_suffix("").parts}
        wrong += [f"{place}: no file or folder is called {part}" for part in sorted(parts & FORBIDDEN_FILES)]
        for node in ast.walk(parse(file)):
            name = ""
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = node.name
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            elif isinstance(node, ast.arg):
                name = node.arg
            if name in FORBIDDEN_NAMES or (isinstance(node, ast.ClassDef) and name.endswith(FORBIDDEN_ENDINGS)):
                wrong.append(f"{place}:{getattr(node, 'lineno', 0)} nothing is called {name}")
    return wrong


CHECKS = [long_files, long_functions, wide_functions, bare_files, unmirrored_tests, forbidden_names]


@pytest.mark.parametrize("check", CHECKS)
def test_the_house_keeps_its_layout(check) -> None:
    assert check(ROOT) == []


OFFENCES = [
    (long_files, "rushes/a.py", "x = 1\n" * 501),
    (long_files, "rushes/models/a.py", "x = 1\n" * 801),
    (long_functions, "rushes/a.py", "def f():\n" + "    x = 1\n" * 60),
    (wide_functions, "rushes/a.py", "class A:\n    def f(self, a, b, c, d, /, e, f, *, g, h): ..."),
    (bare_files, "rushes/a.py", "x = 1"),
    (bare_files, "rushes/a.py", '"""no sentence"""'),
    (unmirrored_tests, "tests/models/test_ghost.py", ""),
    (unmirrored_tests, "tests/models/test_layout.py", ""),
    (forbidden_names, "rushes/data/utils.py", ""),
    (forbidden_names, "rushes/core/a.py", ""),
    (forbidden_names, "rushes/a.py", "info = 1"),
    (forbidden_names, "rushes/a.py", "def f(handle): ..."),
    (forbidden_names, "rushes/a.py", "class JobManager: ..."),
]


@pytest.mark.parametrize(("check", "name", "text"), OFFENCES)
def test_an_offence_is_found(tmp_path: Path, check, name: str, text: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert len(check(tmp_path)) == 1


LEGAL = {
    "rushes/__init__.py": "",
    "rushes/models/toy.py": '"""A toy."""\n' + "x = 1\n" * 799,
    "rushes/world/subjects/__init__.py": "",
    "rushes/cli/film.py": '"""A film."""\n@click.command()\ndef film(a, b, c, d, e, f, g, h): ...\n',
    "tests/models/test_toy.py": '"""Tests the toy."""\n',
    "tests/world/test_subjects.py": '"""Tests the subjects."""\n',
    "tests/test_floors.py": '"""Keeps floors."""\n',
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_legal_tree_passes(tmp_path: Path, check) -> None:
    for name, text in LEGAL.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert check(tmp_path) == []
