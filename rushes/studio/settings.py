"""What a studio is run by: `rushes.toml`, checked; without one, a studio for one machine and its owner's friends."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from rushes import config
from rushes.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanConfig:
    """What an account may do: 0 means no limit. `delay_s` is how much later than a pro's its films are due."""

    delay_s: float = 0.0
    tiers: tuple[str, ...] = ("flipbook", "short", "feature", "still")
    max_s: int = 10
    live_jobs: int = 0
    daily_s: int = 0
    monthly_credits: int = 0
    is_marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlansConfig:
    """The plans of accounts; an admin's knows no limits."""

    free: PlanConfig = field(
        default_factory=lambda: PlanConfig(
            delay_s=600,
            live_jobs=3,
            daily_s=60,
            monthly_credits=600,
            is_marked=True,
            tiers=("flipbook", "short", "still"),
        )
    )
    plus: PlanConfig = field(
        default_factory=lambda: PlanConfig(delay_s=120, live_jobs=10, daily_s=600, monthly_credits=6_000)
    )
    pro: PlanConfig = field(
        default_factory=lambda: PlanConfig(delay_s=0, live_jobs=50, daily_s=3_600, monthly_credits=40_000)
    )
    admin: PlanConfig = field(default_factory=PlanConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioConfig:
    """One studio. `database` and `media` are empty for files in `home`; `url` is what links begin with.

    `closing_on` is a date (YYYY-MM-DD) until which films can be downloaded while nothing new is made; empty: open.
    """

    home: str = ""
    database: str = ""
    media: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    url: str = ""
    name: str = "Rushes"
    workers: int = 1
    weights: str = ""
    can_sign_up: bool = True
    closing_on: str = ""
    plans: PlansConfig = field(default_factory=PlansConfig)

    @property
    def folder(self) -> Path:
        """Return where the studio's files lie: `home`, else $RUSHES_HOME, else the platform's place for user data."""
        return Path(self.home or os.environ.get("RUSHES_HOME") or platformdirs.user_data_dir("rushes")).expanduser()

    @property
    def database_url(self) -> str:
        """Return the database's address."""
        return self.database or f"sqlite:///{self.folder / 'studio.db'}"

    @property
    def media_place(self) -> str:
        """Return where films are kept: a folder, or `s3://bucket/prefix`."""
        return self.media or str(self.folder / "media")

    @property
    def base_url(self) -> str:
        """Return what links begin with, without a slash at the end."""
        return (self.url or f"http://{self.host}:{self.port}").rstrip("/")


def read(path: Path) -> StudioConfig:
    """Read a `rushes.toml`.

    Raises:
        InputError: no such file, no TOML, an unknown key or a value of another type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}") from None
    return config.from_dict(StudioConfig, values)
