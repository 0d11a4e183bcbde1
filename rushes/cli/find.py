"""Find clips by what they show: `rushes find "a boat at sunset" DATASET`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rushes.errors import InputError, RushesError, WeightsError

if TYPE_CHECKING:
    import numpy as np

    from rushes.data.dataset import Dataset
    from rushes.data.search import Hit, Rows

COLUMNS = 4
EMBEDDER = "caption"  # the stage whose network puts text beside films


@click.command("find")
@click.argument("query")
@click.argument("place", metavar="DATASET")
@click.option("--num", default=12, show_default=True, help="How many clips.")
@click.option("--all", "is_all", is_flag=True, help="Look among dropped clips too.")
@click.option("--words", "by_words", is_flag=True, help="Look for the words in captions, not for the meaning.")
@click.option("--weights", default=None, help="Folder of the captioner's weights [that of the dataset's preset].")
@click.option("--sheet", type=click.Path(path_type=Path), help="Also write a contact sheet (.png, .jpg or .webp).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--force", is_flag=True, help="Overwrite the sheet that is there.")
def command(
    query: str,
    place: str,
    num: int,
    is_all: bool,
    by_words: bool,
    weights: str | None,
    sheet: Path | None,
    as_json: bool,
    force: bool,
) -> None:
    """Find the clips of DATASET that show what QUERY says, best first.

    The captioner's embedding of the query is compared with that of every kept clip. Where there are no embeddings, or
    not the weights that made them, the query's words are looked for in the captions.
    """
    if num < 1:
        raise InputError(f"--num {num} is illegal; the nearest legal value is 1")
    if not query.strip():
        raise InputError("the query is empty; say what the clip shows, for instance 'a boat at sunset'")
    if sheet is not None:
        _check_target(sheet, force)
    from rushes.data import search
    from rushes.data.dataset import Dataset

    data = Dataset.open(place)
    known = search.captioned(data)
    if not known:
        raise InputError(f"{place} has neither embeddings nor captions; add a captioning stage with rushes curate")
    among = None if is_all else search.kept_ids(data)
    rows, vector = (None, None) if by_words else _embedded(data, known, query, weights)
    if rows is not None and vector is not None:
        how, hits = "embedding", search.nearest(data, vector, rows, num=num, among=among)
    else:
        how, rows = "words", _with_captions(known, place)
        hits = search.matching(data, query, rows, num=num, among=among)
    told = [_tell(data, hit) for hit in hits]
    if as_json:
        said = {"query": query, "how": how, "stage": rows.stage, "version": rows.version, "hits": told}
        click.echo(json.dumps(said, indent=1))
    else:
        for hit in told:
            click.echo(
                f"{hit['score']:6.3f}  {hit['clip_id']}  {hit['source']} {hit['place']}  {hit['caption']}".rstrip()
            )
    if not hits:
        click.echo("no clip has any of these words in its caption", err=True)
    elif sheet is not None:
        _write_sheet(data, query, hits, sheet, force)


def _embedded(
    data: Dataset, known: list[Rows], query: str, weights: str | None
) -> tuple[Rows | None, np.ndarray | None]:
    """Return the embeddings to look among and the query's own; nothing, and why on standard error, where that fails."""
    candidates = [rows for rows in known if rows.has_embedding]
    if not candidates:
        click.echo("there are no embeddings here; looking for the words in captions", err=True)
        return None, None
    from rushes import registry
    from rushes.models.captioner import Captioner

    folder = weights or data.config.stages.get(EMBEDDER, "")
    try:
        if not folder:
            raise WeightsError("the dataset's preset names no weights of a captioner; name them with --weights")
        version = registry.find("data.stages", EMBEDDER).version(folder)
        rows = next((rows for rows in candidates if rows.version == version), None)
        if rows is None:
            there = ", ".join(rows.version for rows in candidates)
            raise WeightsError(f"the weights in {folder} are {version}; the embeddings here are of {there}")
        return rows, Captioner.from_pretrained(Path(folder)).embed_text(query)
    except WeightsError as error:
        if weights is not None:
            raise
        click.echo(f"{error}; looking for the words in captions", err=True)
        return None, None


def _with_captions(known: list[Rows], place: str) -> Rows:
    rows = next((rows for rows in known if rows.captions), None)
    if rows is None:
        raise InputError(f"{place} has no captions to look for words in; name the captioner's weights with --weights")
    return rows


def _tell(data: Dataset, hit: Hit) -> dict[str, Any]:
    from rushes.data.report.overview import name_of, printable
    from rushes.media.thumbnails import timecode

    clip = data.clip(hit.clip_id)
    start_s, end_s = float(clip.span.start_s), float(clip.span.end_s)
    return {
        "clip_id": hit.clip_id,
        "score": round(hit.score, 6),
        "caption": printable(hit.caption, 400),
        "source": name_of(_uri(data, clip.source)),
        "place": f"{timecode(start_s)}-{timecode(end_s)}",
        "start_s": start_s,
        "end_s": end_s,
    }


def _uri(data: Dataset, source: str) -> str:
    import pyarrow.compute as pc

    sources = data.sources()
    found = sources.filter(pc.equal(sources["sha256"], source))["uri"].to_pylist()
    return found[0] if found else source


def _check_target(path: Path, force: bool) -> None:
    """Refuse at once what could not be written at the end."""
    from rushes.media.thumbnails import PICTURE_FORMATS

    if path.suffix.lower() not in PICTURE_FORMATS:
        raise InputError(f"cannot write {path.name}: {path.suffix!r} is none of {', '.join(PICTURE_FORMATS)}")
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"cannot write {path}: {'it is a folder' if path.is_dir() else f'no folder {path.parent}'}")
    if path.exists() and not force:
        raise InputError(f"{path} exists; use --force to replace it")


def _write_sheet(data: Dataset, query: str, hits: list[Hit], path: Path, force: bool) -> None:
    """Write the middle picture of every hit with its score and caption."""
    from rushes.media.thumbnails import contact_sheet, save_image

    frames = [_middle(data, hit.clip_id) for hit in hits]
    captions = [f"{hit.score:.3f}  {hit.caption or hit.clip_id[:12]}" for hit in hits]
    save_image(path, contact_sheet(frames, columns=COLUMNS, title=query, captions=captions), force=force)
    click.echo(str(path), err=True)


def _middle(data: Dataset, clip_id: str) -> np.ndarray:
    """Return the picture in the middle of a clip, uint8 `[h w 3]`; a grey one where none was kept."""
    import numpy as np
    from PIL import Image

    try:
        jpegs = data.pictures(clip_id).jpegs
    except RushesError as error:
        click.echo(f"{clip_id}: no picture ({error})", err=True)
        jpegs = ()
    if not jpegs:
        return np.full((180, 320, 3), 128, np.uint8)
    with Image.open(io.BytesIO(jpegs[len(jpegs) // 2])) as picture:
        return np.asarray(picture.convert("RGB"))
