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
    tiers: tuple[str, ...] = ("flipbook", "short", "feature", "still", "training")
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
            tiers=("flipbook", "short", "still", "training"),
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
class PricesConfig:
    """What a second of film costs, in credits, by the tier of its size (a still costs one); what a training costs."""

    flipbook: int = 1
    short: int = 2
    feature: int = 6
    still: int = 1
    training: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """How often one caller may ask, in each web process; 0 means no limit."""

    requests_per_minute: int = 1200
    burst: int = 300
    sign_ins_per_hour: int = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingConfig:
    """What can be bought through Stripe: its price ids, and the credits of one pack; empty ones are not for sale."""

    plus_price: str = ""
    pro_price: str = ""
    credits_price: str = ""
    credits_in_pack: int = 0
    stripe_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudioConfig:
    """One studio. `database` and `media` are empty for files in `home`; `url` is what links begin with.

    `closing_on` is a date (YYYY-MM-DD) until which films can be downloaded while nothing new is made; empty: open.
    `films_from` is the origin of the S3 server as browsers reach it (`https://...`), for films to come from there;
    empty: they go through the studio.
    `metrics_token` lets Prometheus read `/metrics` (`Authorization: Bearer ...`); empty: admins alone.
    `oidc_issuer` and `oidc_client_id` name a provider that people can sign in with; `moderation_endpoint` one that is
    asked about every text beside our own rules. `models` are open-weight ones that films can be made with as well
    (`rushes models` names them).

    `allow_private_webhooks` lets webhooks go to private addresses, for studios inside one network. `chat_endpoint`
    (up to `/v1`) and `chat_model` name an OpenAI-compatible model that leads conversations; its key is
    $RUSHES_CHAT_KEY, and without one the built-in director does.
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
    models: tuple[str, ...] = ()
    can_sign_up: bool = True
    closing_on: str = ""
    films_from: str = ""
    metrics_token: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    moderation_endpoint: str = ""
    allow_private_webhooks: bool = False
    chat_endpoint: str = ""
    chat_model: str = ""
    plans: PlansConfig = field(default_factory=PlansConfig)
    prices: PricesConfig = field(default_factory=PricesConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    billing: BillingConfig = field(default_factory=BillingConfig)

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
