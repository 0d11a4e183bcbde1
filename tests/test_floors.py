"""Keeps the floors of the house: who may import whom. This list is the architecture."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = {
    "errors": 1,
    **dict.fromkeys(("types", "config", "registry", "log"), 2),
    **dict.fromkeys(("tiers", "layouts", "metering", "nn", "media", "store"), 3),
    **dict.fromkeys(("models", "diffusion", "world", "given"), 4),
    **dict.fromkeys(("data", "generate"), 5),
    "evaluate": 6,
    **dict.fromkeys(("serve", "train", "cluster"), 7),
    "studio": 8,
    "cli": 9,
    "__main__": 10,
}
STUDIO_SEES = (
    *("types", "tiers", "errors", "config", "log", "registry", "given"),
    *("store", "media", "serve.client", "studio"),
)
TORCH_FREE = (
    *("errors", "types", "tiers", "layouts", "metering", "given", "config", "registry", "log"),
    *("media", "store", "studio", "serve.client"),
)
BASE_INSTALL = ("generate", "cli.film", "cli.main", "models", "diffusion", "nn", "media", "store")
EXTRAS = ("skia", "tensorboard", "scipy", "pytest", "hypothesis")
TORCH = ("torch", "torchvision", "torchaudio")
MAY_IMPORT_LAZILY = ("cli",)
MAY_IMPORT_BY_NAME = ("cli", "registry")


def modules(root: Path) -> dict[str, Path]:
    """Return dotted name inside the package (`models.toy`, a package by its own name) -> file; the root is ``."""
    found = {}
    for file in sorted((root / "rushes").rglob("*.py")):
        parts = file.relative_to(root / "rushes").with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def is_inside(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def imports(tree: ast.Module, known: dict[str, Path]) -> Iterator[tuple[str, ast.AST]]:
    """Yield (dotted name, node) of every import wherever it stands; `.x` marks a relative one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner.removeprefix("rushes.") in known or base == "rushes" else base), node


def lookups(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield what `registry.find("models", ...)` and `registry.names("models")` import, when it is a literal."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            package = node.args[0].value
            if called in ("find", "names") and isinstance(package, str) and package.partition(".")[0] in FLOORS:
                yield f"rushes.{package}", node


def check_import(module: str, target: str) -> str | None:
    """Return what is wrong with `rushes.<module>` importing `rushes.<target>`, or None."""
    own, other = module.partition(".")[0], target.partition(".")[0]
    if other == "__version__" or own == other:
        return None
    if other not in FLOORS:
        return f"imports rushes.{target}, which has no floor"
    if own == "studio" and not any(is_inside(target, name) for name in STUDIO_SEES):
        return f"imports rushes.{target}; the studio sees only {', '.join(STUDIO_SEES)}"
    if FLOORS[other] >= FLOORS[own]:
        return f"(floor {FLOORS[own]}) imports rushes.{target} (floor {FLOORS[other]})"
    return None


def file_violations(module: str, file: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield what is wrong with the imports of one module, one line each."""
    own, tree = module.partition(".")[0], ast.parse(file.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))]
    nested = {id(inner) for function in functions for inner in ast.walk(function)}
    found = list(imports(tree, known))
    if own != "registry" and any(is_inside(name, "rushes.registry") for name, _ in found):
        found += lookups(tree)
    for name, node in found:
        where, target = f"{module or 'rushes'}:{getattr(node, 'lineno', 0)}", name.removeprefix("rushes").lstrip(".")
        if name.startswith("."):
            yield f"{where} imports {name} relatively; write rushes. in full"
        elif name in ("importlib", "importlib.import_module") and own not in MAY_IMPORT_BY_NAME:
            yield f"{where} imports by name; only {', '.join(MAY_IMPORT_BY_NAME)} may"
        elif is_inside(name, "rushes") and not module:
            yield f"{where} imports {name}; the package itself imports nothing"
        elif is_inside(name, "rushes"):
            problem = check_import(module, target) if target else None
            if problem:
                yield f"{where} {problem}"
            if id(node) in nested and not isinstance(node, ast.Call) and own not in MAY_IMPORT_LAZILY:
                yield f"{where} imports {name} lazily; only {', '.join(MAY_IMPORT_LAZILY)} may"


def floor_violations(root: Path) -> list[str]:
    """Return every import that breaks a floor, and every name that has none."""
    known, wrong = modules(root), []
    for module, file in known.items():
        if module and module.partition(".")[0] not in FLOORS:
            wrong.append(f"{module} has no floor; give it one in FLOORS and in the architecture")
        else:
            wrong += file_violations(module, file, known)
    return wrong


def reached(root: Path, packages: tuple[str, ...], forbidden: tuple[str, ...]) -> list[str]:
    """Return which modules of `packages` reach a forbidden one, directly or through what they import."""
    known, wrong = modules(root), []
    trees = {module: ast.parse(file.read_text(encoding="utf-8")) for module, file in known.items()}
    direct = {module: {name for name, _ in imports(tree, known)} for module, tree in trees.items()}
    for start in (module for module in known if any(is_inside(module, package) for package in packages)):
        seen, waiting = set(), [start]
        while waiting:
            module = waiting.pop()
            if module in seen or module not in known:
                continue
            seen.add(module)
            names = [name.removeprefix("rushes.") for name in direct[module] if name.startswith("rushes.")]
            waiting += [*names, *(name.rpartition(".")[0] for name in (*names, module))]
            found = sorted(name for name in direct[module] if any(is_inside(name, other) for other in forbidden))
            wrong += [f"{start} must not reach {name}, yet does through {module}" for name in found]
    return wrong


def test_every_import_goes_down() -> None:
    assert floor_violations(ROOT) == []


def test_torch_free_floors_never_reach_torch() -> None:
    assert reached(ROOT, TORCH_FREE, TORCH) == []


def test_a_film_needs_the_base_install_alone() -> None:
    assert reached(ROOT, BASE_INSTALL, EXTRAS) == []


def test_every_name_of_the_package_has_a_floor() -> None:
    names = {module.partition(".")[0] for module in modules(ROOT)} - {""}
    assert {"errors", "cli", "__main__"} <= names <= set(FLOORS)


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / "rushes" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nn/a.py", "from rushes.models import toy", "(floor 3) imports rushes.models"),
        ("models/a.py", "import rushes.world.scene", "(floor 4) imports rushes.world.scene (floor 4)"),
        ("types.py", "from rushes import config", "(floor 2) imports rushes.config (floor 2)"),
        ("data/a.py", "def f():\n    from rushes import errors", "imports rushes.errors lazily"),
        (
            "nn/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import rushes.train",
            "rushes.train (floor 7)",
        ),
        ("nn/a.py", "def f():\n    import rushes.train", "rushes.train (floor 7)"),
        ("studio/a.py", "from rushes.serve import queue", "the studio sees only"),
        ("studio/a.py", "import rushes.models.toy", "the studio sees only"),
        ("data/a.py", "from . import b", "relatively"),
        ("data/a.py", "import importlib", "imports by name"),
        (
            "models/a.py",
            "from rushes.registry import find\nfind('train.presets', 'x')",
            "rushes.train.presets (floor 7)",
        ),
        ("gadgets.py", "", "gadgets has no floor"),
        ("__init__.py", "from rushes.types import Video", "the package itself imports nothing"),
    ],
)
def test_a_broken_floor_is_found(tmp_path: Path, name: str, text: str, said: str) -> None:
    write(tmp_path, {"serve/__init__.py": "", "serve/queue.py": "", "models/toy.py": "", "config.py": "", name: text})
    assert any(said in line for line in floor_violations(tmp_path)), floor_violations(tmp_path)


def test_legal_imports_pass(tmp_path: Path) -> None:
    files = {
        "errors.py": "",
        "serve/client.py": "from rushes.errors import InputError",
        "studio/posts.py": "from rushes.serve.client import ask\nfrom rushes.serve import client\nimport rushes.store",
        "cli/film.py": "def film():\n    from rushes.models import toy",
        "models/toy.py": "import torch\nfrom rushes.models.text import encode\nfrom rushes.nn import rope",
    }
    write(tmp_path, files)
    assert floor_violations(tmp_path) == []


@pytest.mark.parametrize(
    "text", ["import torch.nn as nn", "from rushes.nn import rope", "def f():\n    from torch import nn"]
)
def test_torch_behind_a_torch_free_module_is_found(tmp_path: Path, text: str) -> None:
    write(
        tmp_path, {"media/a.py": text, "nn/__init__.py": "", "nn/rope.py": "import torch", "world/b.py": "import torch"}
    )
    assert [line.partition(" ")[0] for line in reached(tmp_path, TORCH_FREE, TORCH)] == ["media.a"]
