"""`rushes studio`: the service, its pages and its workers, from one command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rushes.cli._crew import beside
from rushes.cli._houses import config_option, configured, home_option, offered

if TYPE_CHECKING:
    from rushes.studio.house import House


@click.command("studio")
@config_option
@home_option
@click.option("--host", default=None, help="The address to listen at (127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="The port to listen at (8000).")
@click.option(
    "--workers", type=click.IntRange(0), default=None, help="Processes that make films here (1); 0 if others do."
)
def command(file: Path | None, home: str, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve a studio: pages, API, queue and workers, with all its files in one folder."""
    # The feed's matrix products are small: threads of numpy's that wait for each other cost more than they save.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import uvicorn

    from rushes.studio import app, schema
    from rushes.studio.house import House

    config = configured(file, home=home, host=host, port=port, workers=workers)
    house = House(config, offered(config.models))
    schema.upgrade(house.database)
    _greet(house)
    with beside(house, file):
        uvicorn.run(app.create(house), host=house.config.host, port=house.config.port, log_level="warning")


def _greet(house: House) -> None:
    """Say where the studio is; the first start makes an admin and shows the way in, once."""
    from rushes.studio.members import accounts

    address = house.config.base_url
    with house.database.write() as session:
        is_new = not session.query(accounts.User.id).limit(1).first()
        if is_new:
            admin = accounts.create(session, "admin", None, plan="admin")
            link = accounts.make_link(session, admin)
            key = accounts.make_key(session, admin, "first key", accounts.SCOPES)[1]
    if is_new:
        click.echo(f"Sign in as admin, once, within a day: {address}/sign-in/{link}")
        click.echo(f"API key of admin, shown only now:     {key}")
    click.echo(f"{house.config.name} is at {address}")
