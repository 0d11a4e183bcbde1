"""Say what is in a dataset, and why the rest is not: `rushes dataset DATASET --html report.html`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rushes.errors import InputError


@click.command("dataset")
@click.argument("place", metavar="DATASET")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Also write a report that needs nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--force", is_flag=True, help="Overwrite the report that is there.")
def command(place: str, page: Path | None, as_json: bool, force: bool) -> None:
    """Say what is in DATASET (a folder or an s3:// address): how many clips each cut dropped, hours, stages, files.

    The report shows it: pictures of what was kept and of what each reason dropped, histograms with the cuts drawn in,
    captions, duplicates side by side. It is one HTML file of at most 15 MB.
    """
    if page is not None:
        _check_target(page, force)
    from rushes.data.dataset import Dataset
    from rushes.data.report.overview import as_text, overview

    data = Dataset.open(place)
    found = overview(data)
    click.echo(json.dumps(found, indent=1) if as_json else as_text(found, place))
    if page is not None:
        from rushes.data.report.page import write

        write(data, page, name=_name_of(place), force=force)
        click.echo(str(page), err=True)


def _name_of(place: str) -> str:
    """Return what people call the dataset: the last part of its address."""
    if "://" in place:
        return place.rstrip("/").rsplit("/", 1)[-1]
    return Path(place).resolve().name or place


def _check_target(path: Path, force: bool) -> None:
    """Refuse at once what could not be written at the end."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a report is an .html file; the nearest legal name is {path.with_name(path.name + '.html')}")
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"cannot write {path}: {'it is a folder' if path.is_dir() else f'no folder {path.parent}'}")
    if path.exists() and not force:
        raise InputError(f"{path} exists; use --force to replace it")
