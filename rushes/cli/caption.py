"""Describe films and stills: `rushes caption film.mp4 --length dense`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rushes.errors import InputError

if TYPE_CHECKING:
    from rushes.models.captioner import Captioner, Description

WEIGHTS = Path(__file__).parents[2] / "weights" / "captioner"
LENGTHS = ("short", "medium", "dense")


@click.command("caption")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE]...")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per file: sentences, fields, confidence.")
@click.option("--length", type=click.Choice(LENGTHS), default="medium", show_default=True, help="How much to say.")
@click.option("--weights", type=click.Path(path_type=Path), default=WEIGHTS, help="Weights [weights/captioner].")
@click.option("--least", default=0.5, show_default=True, help="How sure a fact must be to be said, 0 to 1.")
@click.option("--score", "num_scored", type=int, default=None, help="Score NUM held-out films of the paper world.")
@click.option("--threads", default=0, show_default=True, help="CPU threads; 0 leaves the choice to torch.")
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[Path, ...],
    as_json: bool,
    length: str,
    weights: Path,
    least: float,
    num_scored: int | None,
    threads: int,
) -> None:
    """Say in a sentence, and in fields, what films and stills show; a file that is none gets a line of its own.

    Exit code 2 when a file could not be read; the others are described all the same.
    """
    if not files and num_scored is None:
        raise InputError("name a film or a still, for instance: rushes caption film.mp4")
    if not 0.0 <= least <= 1.0:
        raise InputError(f"--least {least} is illegal; the nearest legal value is {0.0 if least < 0 else 1.0}")
    if num_scored is not None and num_scored < 1:
        raise InputError(f"--score {num_scored} is illegal; the nearest legal value is 1")
    import torch

    from rushes.models.captioner import Captioner

    if threads > 0:
        torch.set_num_threads(threads)
    if weights == WEIGHTS and not weights.exists():
        raise InputError("no captioner ships yet; train one: rushes train --preset captioner, then name its --weights")
    captioner = Captioner.from_pretrained(weights)
    if num_scored is not None:
        _score(captioner, num_scored, least, as_json)
    num_bad = sum(not _tell(captioner, path, length, least, as_json) for path in files)
    if num_bad:
        ctx.exit(InputError.exit_code)


def _tell(captioner: Captioner, path: Path, length: str, least: float, as_json: bool) -> bool:
    """Describe one file; return whether it could be read."""
    from rushes.data.captioning.looking import show_file
    from rushes.data.stages.caption import describe

    name = click.format_filename(path)
    try:
        said = describe(captioner, [show_file(path)], least=least)[0]
    except InputError as error:
        click.echo(f"rushes: {' '.join(str(error).split())}", err=True)
        if as_json:
            click.echo(json.dumps({"file": name, "failed": " ".join(str(error).split())}))
        return False
    if as_json:
        click.echo(json.dumps({"file": name, **_values(said)}))
    else:
        click.echo(f"{name}: {_sentence(said.sentences[length])}")
    return True


def _values(said: Description) -> dict[str, Any]:
    sentences = {length: _sentence(text) for length, text in said.sentences.items()}
    return {**sentences, "fields": said.fields, "confidence": said.confidence}


def _sentence(text: str) -> str:
    """Return the captioner's lower-case text as people write sentences."""
    sentences = [part.strip().rstrip(".") for part in text.split(". ") if part.strip(" .")]
    return " ".join(f"{part[0].upper()}{part[1:]}." for part in sentences)


def _score(captioner: Captioner, num: int, least: float, as_json: bool) -> None:
    try:
        import skia  # noqa: F401
    except ImportError as error:
        raise InputError(f"scores need films that skia-python draws ({error}); pip install 'rushes[train]'") from None
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from rushes.evaluate import captions

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("films", total=num)
        scores = captions.score(captioner, num, least=least, watch=lambda done, _: bars.update(task, completed=done))
    rows = captions.as_rows(scores)
    if as_json:
        click.echo(json.dumps({"num": num, "clips_per_s": scores.clips_per_s, "table": rows}))
        return
    table = Table("what", "score", "said", "of", "bar", "met")
    for row in rows:
        said = "" if row["coverage"] is None else f"{row['coverage']:.1%}"
        sign = "<=" if row["coverage"] is None else ">="
        bar, met = f"{sign} {row['bar']:.0%}", "yes" if row["is_met"] else "NO"
        table.add_row(row["what"], f"{row['score']:.1%}", said, str(row["num"]), bar, met)
    Console().print(table)
    click.echo(f"{scores.clips_per_s:.1f} clips/s")
