"""Opens the studio that a command's options name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rushes.studio.settings import StudioConfig

config_option = click.option("--config", "file", type=click.Path(path_type=Path), help="The studio's rushes.toml.")
home_option = click.option("--home", default="", help="The studio's folder; else $RUSHES_HOME, else user data.")


def configured(file: Path | None, **said: Any) -> StudioConfig:
    """Return the config of `file`, or the default one, with what was `said` (unless empty or None) in its place."""
    from rushes.studio import settings

    config = settings.read(file) if file else settings.StudioConfig()
    return replace(config, **{name: value for name, value in said.items() if value not in (None, "")})
