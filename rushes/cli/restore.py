"""`rushes restore`: a backup becomes a studio again, in an empty home folder and database."""

from __future__ import annotations

from pathlib import Path

import click

from rushes.cli._houses import config_option, configured, home_option


@click.command("restore")
@click.argument("file_in", metavar="FILE.tar", type=click.Path(path_type=Path))
@config_option
@home_option
def command(file_in: Path, file: Path | None, home: str) -> None:
    """Restore FILE.tar into an empty studio, then bring its tables up to date."""
    from rushes.studio import schema
    from rushes.studio.house import House
    from rushes.studio.operations import backups

    house = House(configured(file, home=home))
    try:
        num = backups.restore(house, file_in)
        schema.upgrade(house.database)
    finally:
        house.close()
    click.echo(f"{num} files restored to {house.config.folder}")
