"""Tests the `rushes` command itself: fast help, lazy imports, one-line errors and exit codes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from rushes import __version__
from rushes.cli.main import LazyGroup, command_files, first_line, main

COMMANDS = {
    "good_one": '"""Says hello.\n\nMore."""\nimport click\n@click.command()\ndef command():\n    click.echo("hello")\n',
    "broken": '"""Cannot even be imported."""\nraise RuntimeError("imported")\n',
    "bare": "x = 1\n",
    "_shared": "raise RuntimeError('imported')\n",
    "main": "raise RuntimeError('imported')\n",
}
RAISES = '"""Fails."""\nimport click\nfrom rushes.errors import *\n@click.command()\ndef command():\n    {}\n'


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LazyGroup]:
    """Our `main`, but over commands in a folder of their own."""
    folder = tmp_path / "commands_for_tests"
    folder.mkdir()
    for name, text in COMMANDS.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield LazyGroup("rushes", folder=folder, package=folder.name, callback=main.callback, params=main.params)
    for module in [module for module in sys.modules if module.startswith(folder.name)]:
        del sys.modules[module]


def fail(group: LazyGroup, statement: str, *options: str) -> Result:
    name = f"fail{len(list(group.folder.glob('fail*.py')))}"
    (group.folder / f"{name}.py").write_text(RAISES.format(statement))
    importlib.invalidate_caches()
    return CliRunner().invoke(group, [*options, name])


def test_commands_are_the_public_files(group: LazyGroup) -> None:
    assert list(command_files(group.folder)) == ["bare", "broken", "good-one"]
    assert first_line(group.folder / "good_one.py") == "Says hello."


def test_help_imports_no_command(group: LazyGroup) -> None:
    result = CliRunner().invoke(group, ["--help"])
    assert result.exit_code == 0
    lines = [line.split(maxsplit=1) for line in result.output.partition("Commands:\n")[2].splitlines()]
    assert lines == [["bare"], ["broken", "Cannot even be imported."], ["good-one", "Says hello."]]


def test_a_command_runs(group: LazyGroup) -> None:
    assert CliRunner().invoke(group, ["good-one"]).output == "hello\n"


def test_every_real_command_says_what_it_does_and_can_be_asked_for_help() -> None:
    for name, file in command_files(Path(str(main.folder))).items():
        assert first_line(file).endswith("."), file
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0, (name, result.output)


@pytest.mark.parametrize(
    ("statement", "line", "exit_code"),
    [
        ("raise InputError('no tier shrot')", "rushes: no tier shrot\n", 2),
        ("raise WeightsError('two\\nlines')", "rushes: two lines\n", 1),
        ("raise RushesError('no')", "rushes: no\n", 1),
        ("raise KeyboardInterrupt", "rushes: interrupted\n", 130),
        ("raise OSError(28, 'No space left on device', 'a.mp4')", "rushes: No space left on device: a.mp4\n", 1),
        ("raise OSError('the disk left')", "rushes: the disk left\n", 1),
        ("raise OSError", "rushes: OSError\n", 1),
        ("open('/proc/none/x', 'w')", "rushes: No such file or directory: /proc/none/x\n", 1),
    ],
)
def test_a_failure_is_one_line(group: LazyGroup, statement: str, line: str, exit_code: int) -> None:
    result = fail(group, statement)
    assert (result.stdout, result.stderr, result.exit_code) == ("", line, exit_code)


def test_a_missing_extra_says_how_to_install_it(group: LazyGroup) -> None:
    absent = fail(group, "raise ModuleNotFoundError(\"No module named 'skia'\", name='skia')")
    assert absent.stderr == "rushes: skia is not installed; run: pip install -c constraints.txt -e '.[train]'\n"
    broken = fail(group, "raise ImportError('libEGL.so.1: cannot open shared object file: No such file or directory')")
    assert broken.stderr.endswith("apt-get install libegl1 libgl1 libfontconfig1\n")
    assert (absent.exit_code, broken.exit_code) == (1, 1)


def test_a_bug_keeps_its_traceback(group: LazyGroup) -> None:
    assert isinstance(fail(group, "raise ZeroDivisionError").exception, ZeroDivisionError)
    assert isinstance(fail(group, "import nowhere_to_be_found").exception, ModuleNotFoundError)


def test_verbose_shows_the_traceback(group: LazyGroup) -> None:
    result = fail(group, "raise InputError('no tier shrot')", "--verbose")
    assert result.exit_code == 2
    assert result.stderr.startswith("Traceback")
    assert result.stderr.endswith("\nrushes: no tier shrot\n")


@pytest.mark.parametrize("arguments", [["godo-one"], ["good-one", "--bad"], ["--bad"], ["good-one", "more"]])
def test_wrong_usage_is_exit_code_2(group: LazyGroup, arguments: list[str]) -> None:
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    if arguments == ["godo-one"]:
        assert "there is no command 'godo-one'; known: good-one, bare, broken" in result.stderr


def test_a_usage_error_inside_a_command_stays_one(group: LazyGroup) -> None:
    assert fail(group, "raise click.BadParameter('x')").exit_code == click.BadParameter.exit_code == 2


def test_version() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"rushes, version {__version__}\n"


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    ask = "from rushes.cli.main import main; main(['--help'], standalone_mode=False)"
    tell = "import json, sys, time; print(); print(json.dumps([time.process_time(), sorted(sys.modules)]))"
    runs = [json.loads(python("-c", f"{ask}\n{tell}").stdout.splitlines()[-1]) for _ in range(3)]
    assert not {"torch", "numpy", "av", "PIL", "skia", "rich"} & set(runs[0][1])
    assert min(seconds for seconds, _ in runs) < 0.3


def test_python_dash_m_is_the_same_command() -> None:
    done = python("-m", "rushes", "nothing-like-it")
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: rushes [OPTIONS]")


SCRIPT = (
    "import sys, time; sys.path.insert(0, {folder!r})\n"
    "from pathlib import Path\nfrom rushes.cli.main import LazyGroup\n"
    "LazyGroup('rushes', folder=Path({folder!r}) / 'commands', package='commands').main({arguments!r})\n"
)


def script(folder: Path, body: str) -> list[str]:
    (folder / "commands").mkdir()
    (folder / "commands/fail.py").write_text(RAISES.format(body))
    return [sys.executable, "-c", SCRIPT.format(folder=str(folder), arguments=["fail"])]


def test_a_reader_who_leaves_is_no_error(tmp_path: Path) -> None:
    command = script(tmp_path, "[print('x' * 100) for _ in range(10000)]")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == ""
    assert child.returncode == 1


def test_control_c_ends_with_130(tmp_path: Path) -> None:
    command = script(tmp_path, "import time; print('ready', flush=True); time.sleep(60)")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout
        assert child.stderr
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.05)
        os.kill(child.pid, signal.SIGINT)
        assert child.stderr.read() == "rushes: interrupted\n"
    assert child.returncode == 130
