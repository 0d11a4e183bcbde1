"""Keeps the documentation whole: what exists is named, links lead somewhere, and the README's commands run."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# One thing is one file in these folders.
THINGS = {
    "command": "rushes/cli",
    "model": "rushes/models",
    "stage": "rushes/data/stages",
    "metric": "rushes/evaluate/metrics",
    "preset": "rushes/train/presets",
    "curation preset": "rushes/data/presets",
}
SETTINGS_CLASSES = ("Config", "Settings", "Filters")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUNS = re.compile(r"^(?P<command>.*\S)\s+# runs$", re.MULTILINE)


def pages(root: Path) -> list[Path]:
    folders = ("docs", "weights", "benchmarks")
    return sorted([*root.glob("*.md"), *(page for folder in folders for page in (root / folder).rglob("*.md"))])


def documented_code(root: Path) -> dict[str, str]:
    """Return the code that README.md and docs/ show, fenced blocks and `spans`, under the heading it stands below."""
    shown = [page for page in pages(root) if page == root / "README.md" or page.is_relative_to(root / "docs")]
    code: dict[str, str] = {}
    for page in shown:
        # A comment inside a block is no heading.
        text = FENCE.sub(lambda match: match[0].replace("\n#", "\n #"), page.read_text(encoding="utf-8"))
        for section in re.split(r"^(?=#+ )", text, flags=re.MULTILINE):
            blocks = [block for _, block in FENCE.findall(section)]
            spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", section))
            heading = section.partition("\n")[0] if section.startswith("#") else ""
            code[heading] = "\n".join([code.get(heading, ""), *blocks, *spans])
    return code


def trees(root: Path) -> list[ast.Module]:
    return [ast.parse(file.read_text(encoding="utf-8")) for file in sorted((root / "rushes").rglob("*.py"))]


def things(root: Path) -> list[tuple[str, str]]:
    """Return (what, name) of every command, model, stage, metric and preset that is a file."""
    return [
        (what, file.stem.replace("_", "-") if what == "command" else file.stem)
        for what, folder in THINGS.items()
        for file in sorted((root / folder).glob("*.py"))
        if not file.name.startswith("_") and (what, file.stem) != ("command", "main")
    ]


def tiers(trees: list[ast.Module]) -> list[tuple[str, str]]:
    """Return the names that a `TIERS = {...}` or a `Tier(name=...)` in the source spells out."""
    names: list[object] = []
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Dict):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "TIERS" for target in targets):
                names += [key.value for key in node.value.keys if isinstance(key, ast.Constant)]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Tier":
            named = [keyword.value for keyword in node.keywords if keyword.arg == "name"] or node.args[:1]
            names += [value.value for value in named if isinstance(value, ast.Constant)]
    return [("tier", name) for name in names if isinstance(name, str)]


def settings(trees: list[ast.Module]) -> list[tuple[str, str]]:
    """Return the fields of every public class that configures something."""
    classes = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    return [
        (f"setting of {kind.name}", field.target.id)
        for kind in classes
        if kind.name.endswith(SETTINGS_CLASSES) and not kind.name.startswith("_")
        for field in kind.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    ]


def undocumented(root: Path) -> list[str]:
    """Return what exists in the source but stands nowhere in the documentation's code.

    A setting has to stand below a heading that names its class, for a word like `width` stands everywhere.
    """
    sections, source, missing = documented_code(root), trees(root), []
    for what, name in [*things(root), *tiers(source), *settings(source)]:
        wanted = f"rushes {name}" if what == "command" else name
        kind = what.removeprefix("setting of ") if what.startswith("setting") else ""
        code = "\n".join(text for heading, text in sections.items() if kind in heading)
        if not re.search(rf"(?<![\w-]){re.escape(wanted)}(?![\w-])", code):
            missing.append(f"{what} `{wanted}` is documented nowhere in README.md or docs/")
    return missing


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+\s+(.+?)\s*$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(root: Path) -> list[str]:
    """Return the relative links and pictures that lead nowhere."""
    broken = []
    for page in pages(root):
        text = re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
        found = re.findall(r"\]\(\s*([^)\s]+)[^)]*\)", text) + re.findall(r"""(?:src|href)=["']([^"']+)""", text)
        for link in found:
            if re.match(r"[a-z]+:", link):
                continue
            place, _, anchor = link.partition("#")
            target = page.parent / place if place else page
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(root)} links to {link}, which is not there")
    return broken


def commands_that_run(readme: Path) -> list[str]:
    """Return the lines of the README's `sh` blocks that end in `# runs`."""
    if not readme.is_file():
        return []
    blocks = [block for language, block in FENCE.findall(readme.read_text(encoding="utf-8")) if language == "sh"]
    return [match["command"] for block in blocks for match in RUNS.finditer(block)]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_everything_that_exists_is_documented() -> None:
    assert undocumented(ROOT) == []


def test_links_lead_somewhere() -> None:
    assert broken_links(ROOT) == []


@pytest.mark.parametrize("command", commands_that_run(ROOT / "README.md"))
def test_the_commands_of_the_readme_run(command: str, tmp_path: Path) -> None:
    done = run(command, tmp_path)
    assert done.returncode == 0, done.stderr


def test_pages_name_no_package_index() -> None:
    texts = {page: page.read_text(encoding="utf-8").lower() for page in pages(ROOT)}
    assert [page for page, text in texts.items() if re.search(r"--(extra-)?index-url|pypi\.", text)] == []


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rushes/cli/ghost.py", "", "command `rushes ghost`"),
        ("rushes/cli/ghost_film.py", "", "command `rushes ghost-film`"),
        ("rushes/models/ghost.py", "", "model `ghost`"),
        ("rushes/data/stages/ghost.py", "", "stage `ghost`"),
        ("rushes/evaluate/metrics/ghost.py", "", "metric `ghost`"),
        ("rushes/train/presets/ghost.py", "", "preset `ghost`"),
        ("rushes/generate.py", "TIERS = {'ghost': 1}", "tier `ghost`"),
        ("rushes/generate.py", "TIERS: dict[str, int] = {'ghost': 1}", "tier `ghost`"),
        ("rushes/generate.py", "x = Tier(name='ghost')", "tier `ghost`"),
        ("rushes/a.py", "class ToyConfig:\n    ghost: int = 1", "setting of ToyConfig `ghost`"),
    ],
)
def test_what_is_undocumented_is_found(tmp_path: Path, name: str, text: str, said: str) -> None:
    write(tmp_path, {name: text, "README.md": "A ghost in prose is none; nor is `ghosts`.\n# Other"})
    assert [line.partition(" is ")[0] for line in undocumented(tmp_path)] == [said]
    write(tmp_path, {"docs/a.md": "```sh\n# comment\nrushes ghost; rushes ghost-film\n```\n# ToyConfig\n`ghost`"})
    assert undocumented(tmp_path) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = "# The one, page\n[a](b.md) [c](#the-one-page) [d](a.md#none) <img src='e.png'> `[x](y)` [s](https://x.org/)"
    write(tmp_path, {"docs/a.md": page})
    assert [line.split()[3].rstrip(",") for line in broken_links(tmp_path)] == ["b.md", "a.md#none", "e.png"]


def test_a_failing_command_of_a_readme_is_found(tmp_path: Path) -> None:
    text = "```sh\nfalse  # runs\ntrue   # runs\nsleep 1000\n```\n```py\nfalse  # runs\n```\n"
    write(tmp_path, {"README.md": text})
    commands = commands_that_run(tmp_path / "README.md")
    assert [(command, run(command, tmp_path).returncode) for command in commands] == [("false", 1), ("true", 0)]
