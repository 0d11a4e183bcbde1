"""`rushes backup`: a studio's database, films and keys as one file, while it goes on."""

from __future__ import annotations

from pathlib import Path

import click

from rushes.cli._houses import config_option, configured, home_option


@click.command("backup")
@click.argument("file_out", metavar="FILE.tar", type=click.Path(path_type=Path))
@config_option
@home_option
def command(file_out: Path, file: Path | None, home: str) -> None:
    """Write a backup of a studio to FILE.tar; it holds secrets, so keep it safe."""
    from rushes.studio.house import House
    from rushes.studio.operations import backups

    house = House(configured(file, home=home))
    try:
        size = backups.write(house, file_out)
    finally:
        house.close()
    click.echo(f"{file_out}: {size / 1e6:.1f} MB")
