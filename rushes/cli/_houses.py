"""Opens the studio that a command's options name."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rushes import config as configs
from rushes.errors import InputError, nearest_first
from rushes.tiers import Native

if TYPE_CHECKING:
    from rushes.studio.settings import StudioConfig

config_option = click.option("--config", "file", type=click.Path(path_type=Path), help="The studio's rushes.toml.")
home_option = click.option("--home", default="", help="The studio's folder; else $RUSHES_HOME, else user data.")


def configured(file: Path | None, **said: Any) -> StudioConfig:
    """Return the config of `file`, or the default one, with what was `said` (unless empty or None) in its place."""
    from rushes.studio import settings

    config = settings.read(file) if file else settings.StudioConfig()
    return replace(config, **{name: value for name, value in said.items() if value not in (None, "")})


def offered(models: tuple[str, ...]) -> dict[str, Native]:
    """Return what each of these models takes. Another process is asked: a studio's own never loads torch.

    Raises:
        InputError: there is no such model.
    """
    if not models:
        return {}
    told = subprocess.run([sys.executable, "-m", "rushes", "models", "--json"], capture_output=True, check=True)
    listed = map(json.loads, told.stdout.splitlines())
    known = {each["name"]: each["native"] | {"licence": each["licence"]} for each in listed}
    for name in models:
        if name not in known:
            raise InputError(f"models: there is no {name!r}; known: {nearest_first(name, known)}")
    return {name: configs.from_dict(Native, known[name]) for name in models}
