"""Tests that `make film` hands over what was typed, whatever it holds, and sets up only when it must."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ECHO = f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with our Makefile and an environment that is already set up, whose `rushes` prints its arguments."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name, text in {"rushes": ECHO, "pip": "#!/bin/sh\necho pip $*\n"}.items():
        (tmp_path / ".venv/bin" / name).write_text(text)
        (tmp_path / ".venv/bin" / name).chmod(0o755)
    for name in ("base.stamp", "dev.stamp"):
        (tmp_path / ".venv" / name).touch()
    return tmp_path


def make(house: Path, *arguments: str, **environment: str) -> str:
    clean = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "PROMPT", "OUT", "ARGS")}
    done = subprocess.run(
        ["make", "-C", house, "--no-print-directory", *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    "prompt",
    [
        "a red sailboat drifts left across the sea at sunset",
        """it's "quoted" and costs $5 or $HOME or ${HOME} or $(HOME)""",
        "`touch pwned` $(shell touch pwned); touch pwned && touch pwned",
        "a # b % c : d = e \\ f, g ) ( h",
        "two\nlines",
        "--help",
        "ein Fuchs läuft über Schnee ❄",
    ],
)
def test_a_prompt_arrives_as_typed(house: Path, prompt: str) -> None:
    assert json.loads(make(house, "film", f"PROMPT={prompt}")) == ["film", "--", prompt]
    assert json.loads(make(house, "film", PROMPT=prompt)) == ["film", "--", prompt]
    assert not (house / "pwned").exists()


def test_out_and_further_arguments_arrive(house: Path) -> None:
    line = make(house, "film", "PROMPT=a cat", "OUT=my $x film.mp4", "ARGS=--tier short --seed 3")
    assert json.loads(line) == ["film", "--tier", "short", "--seed", "3", "-o", "my $x film.mp4", "--", "a cat"]
    assert json.loads(make(house, "film", "ARGS=--again film.mp4")) == ["film", "--again", "film.mp4"]


@pytest.mark.parametrize("failing", ["nothing", "ruff", "mypy", "pytest"])
def test_the_tests_pass_when_all_that_is_run_for_them_does(house: Path, failing: str) -> None:
    for name in ("python", "ruff", "mypy", "pytest"):
        (house / ".venv/bin" / name).write_text(f"#!/bin/sh\necho {name}\n[ {name} != {failing} ]\n")
        (house / ".venv/bin" / name).chmod(0o755)
    is_refused = pytest.raises(subprocess.CalledProcessError) if failing != "nothing" else contextlib.nullcontext()
    with is_refused:
        said = make(house, "test").splitlines()
        assert {"python", "ruff", "mypy", "pytest"} <= set(said)


def test_a_changed_pin_installs_again_and_the_base_install_stays_small(house: Path) -> None:
    later = (house / ".venv/base.stamp").stat().st_mtime + 10
    os.utime(house / "constraints.txt", (later, later))
    first = make(house, "film", "PROMPT=a cat").splitlines()[0]
    assert first.split()[-2:] == ["-e", "."]
    assert "'.[train,data,s3,ray,studio,postgres,billing,families,dev]'" in make(house, "-n", "setup")
    assert "'.[studio]'" in make(house, "-n", "studio")
