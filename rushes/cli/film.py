"""Make a film of a sentence."""

from __future__ import annotations

import functools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rushes.cli._signals import terminated_like_interrupted
from rushes.errors import RushesError, WeightsError
from rushes.tiers import MODEL

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from rushes.cli._film_request import Options, Order
    from rushes.cli._film_screen import Screen
    from rushes.generate import Estimate, Generator
    from rushes.models.open import Maker
    from rushes.types import GenerationRequest

WEIGHTS = Path(__file__).parents[2] / "weights"
SHEET_FRAMES, SHEET_COLUMNS = 12, 4
SHOWN_EVERY_S = 0.25


@click.command()
@click.argument("words", nargs=-1, metavar="[PROMPT]...")
@click.option("--prompts", type=click.Path(path_type=Path), help="A file with one prompt per line: a film each.")
@click.option("--model", help="rushes, one of `rushes models`, a folder of weights, or a server.  [rushes]")
@click.option("--first-model", help="A model that makes the picture that the film begins with.")
@click.option("--tier", help="flipbook, short, feature or still.  [feature; still for a .png]")
@click.option("--size", help="WIDTHxHEIGHT in pixels.  [the tier's]")
@click.option("--seconds", type=float, help="Length: 1 to 60 whole seconds.  [the tier's]")
@click.option("--fps", type=int, help="Frames per second: 8 or 24.  [the tier's]")
@click.option("--frames", type=int, help="Length in frames, instead of --seconds; 1 is a still.")
@click.option("--seed", type=int, help="Another seed, another film of the same sentence.  [0]")
@click.option("--steps", type=int, help="Sampling steps: more take longer.  [the tier's]")
@click.option("--guidance", type=float, help="How strictly the film follows the prompt.  [the tier's]")
@click.option("--negative", help="What the film should be guided away from.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="FILE.mp4, .gif, .webp or .png, or a folder.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@click.option("--sheet", is_flag=True, help="Also write a contact sheet beside the film.")
@click.option("--live", type=click.File("wb"), help="Also write the .mp4 there while it is made; - is for a player.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per film.")
@click.option("--again", type=click.Path(path_type=Path), help="Make the film in this file again; options change it.")
@click.option("--first", type=click.Path(path_type=Path), help="A picture that the film begins with.")
@click.option("--last", type=click.Path(path_type=Path), help="A picture that the film ends with.")
@click.option("--extend", type=click.Path(path_type=Path), help="A film to go on from, for --seconds more.  [3]")
@click.option("--remix", type=click.Path(path_type=Path), help="A film or picture to make anew.")
@click.option("--strength", type=float, help="With --remix: how much is made anew, above 0 to 1.  [0.7; 1 in an area]")
@click.option("--area", help="With --remix: LEFT,TOP,RIGHT,BOTTOM in 0 to 1; the rest stays as it is.")
@click.option("--subject", type=click.Path(path_type=Path), help="A picture of what the first subject is.")
@click.option("--edges", type=click.Path(path_type=Path), help="A picture or film whose outlines the film shall have.")
@click.option("--sketch", type=click.Path(path_type=Path), help="A drawing of how the film is laid out.")
@click.option("--depth", type=click.Path(path_type=Path), help="The same as grey levels: the brightest is nearest.")
@click.option("--path", help="Where the first subject goes: 'X,Y X,Y ...' in 0 to 1 from the upper left corner.")
@click.option("--loop", is_flag=True, help="Let the end run into the beginning.")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    default=WEIGHTS,
    envvar="RUSHES_WEIGHTS",
    help="Folder of the weights.  [$RUSHES_WEIGHTS, else the shipped ones]",
)
@click.option("--lora", multiple=True, metavar="FILE[:SCALE]", help="Add an adapter to the weights; may be repeated.")
@click.option("--rewrite/--no-rewrite", default=False, help="Word the prompt as captions do, and say so.")
@click.option("--preview/--no-preview", default=True, help="Show the film in the terminal while it is made.")
@click.option("--device", help="auto, cpu, cuda, cuda:1 or mps.  [auto: an accelerator if there is one]")
@click.option("--dtype", help="auto, float32 or bfloat16: of the film model.  [auto: the fastest there]")
@click.option("--threads", default=0, help="How many cores to use; 0 is all.")
@click.option("--nproc", type=click.IntRange(1), default=1, help="Number of processes that share the film.")
@click.option(
    "--ray", "address", default="", help="Ray cluster to make it on: local, auto, HOST:PORT, ray://HOST:PORT."
)
@click.option("--attention", default="ulysses", help="How they share its attention: ulysses or ring.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
def command(words: tuple[str, ...], nproc: int, address: str, attention: str, **typed: Any) -> None:
    """Make a film of a sentence: rushes film a red sailboat drifts left across the sea at sunset

    The film goes to films/ unless -o says otherwise. The same command makes the same film.
    """
    from rushes.cli._film_models import begin, load
    from rushes.cli._film_request import Options, orders, place

    options = Options(**typed)
    wanted, say = orders(words, options), _say(options.quiet)
    names, make = place(options, wanted), functools.partial(_make_all, options)
    is_one_of_many = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if is_one_of_many or address or nproc > 1:
        from rushes.cli import _film_crew as crew

        crew.check(options, wanted, attention)
        if not is_one_of_many:
            crew.lead(nproc, address, options)
            return
        with terminated_like_interrupted():
            crew.work(options, wanted, names, attention, say, make)
        return
    with terminated_like_interrupted():
        wanted = begin(options, wanted, names, say)
        make(lambda: load(options, [order.request for order in wanted], names, say), wanted)


def _make_all(options: Options, load: Callable[[], Any], wanted: list[Order]) -> None:
    """Load weights, make films with them, and tell about each."""
    begun = time.perf_counter()
    generator = load()
    synonyms = read_synonyms(options.weights / "film" / "synonyms.json")
    load_s = time.perf_counter() - begun
    for order in wanted:
        report = _make(generator, order, options, synonyms) | {"load_s": round(load_s, 3)}
        click.echo(json.dumps(report) if options.as_json else str(order.path), err=options.is_on_stdout)


def _make(generator: Any, order: Order, options: Options, synonyms: dict[str, str]) -> dict[str, Any]:
    """Make one film and return what is to be told about it."""
    from rushes.cli._film_screen import Screen
    from rushes.media.encode import encode
    from rushes.metering import Meter
    from rushes.models._rewrite import rewrite

    request, say, is_ours = order.request, _say(options.quiet), order.request.model == MODEL
    if is_ours:  # a word that an adapter taught stands for itself
        synonyms = {word: known for word, known in synonyms.items() if generator.film.vocabulary.unknown(word)}
    if options.rewrite and (worded := rewrite(request.prompt, synonyms)) != request.prompt:
        say(f"{request.prompt!r} is rewritten as {worded!r}")
        request = replace(request, prompt=worded)
    unknown = unknown_words(generator, request, synonyms) if is_ours else {}
    for line in [*(_warnings(generator, request, unknown) if is_ours else ()), *_differences(generator, order)]:
        say(line)
    estimate = generator.estimate(request)
    if is_ours:  # of other models it was asked before their weights were read
        require_memory(estimate, free_bytes(generator))
    shape = request.shape
    what = f"{shape.frames} frames of {shape.width}x{shape.height} at {request.fps} fps"
    about = f"about {estimate.seconds:.0f} s and {estimate.memory_bytes / 1e9:.1f} GB of memory"
    say(f"{what}: {about if estimate.seconds else f'by {request.model}'}")
    begun, meter = time.perf_counter(), Meter()
    kept: list[np.ndarray] = []
    with Screen(total_s=estimate.seconds, picture=options.preview, bar=not options.quiet) as screen:
        frames = _watched(generator, request, estimate, screen, kept if options.sheet else None)
        record = generator.record(request)
        live = options.watched if options.live else None
        written = encode(
            order.path, frames, fps=request.fps, shape=shape, request=record, force=options.force, live=live
        )
    seconds = time.perf_counter() - begun
    if options.sheet:
        _write_sheet(order, kept, force=options.force)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    rate = shape.frames / seconds
    say(f"{order.path}: {what} in {seconds:.1f} s ({rate:.1f} frames/s), {peak / 1e9:.1f} GB of memory at most")
    measured = {"seconds": round(seconds, 3), "memory_bytes": peak, "frames_per_second": round(rate, 3)}
    measured |= meter.reading()
    return {
        "path": str(order.path),
        "size_bytes": written.size_bytes,
        "request": record,
        "estimate": {"seconds": round(estimate.seconds, 3), "memory_bytes": estimate.memory_bytes},
        "measured": measured | {"encoding_s": round(written.seconds, 3)},
        "unknown_words": unknown,
    }


def _watched(
    generator: Any, request: GenerationRequest, estimate: Estimate, screen: Screen, kept: list[np.ndarray] | None
) -> Iterator[np.ndarray]:
    """Yield the film's frames while the screen follows; put those of a contact sheet into `kept`."""
    from rushes.media.thumbnails import pick
    from rushes.tiers import plan

    num, shown = request.shape.frames, 0.0
    num_windows = len(plan(request).windows) if request.model == MODEL else 1
    step_s = estimate.denoise_s / (request.num_steps * num_windows)
    picked = set(pick(num, SHEET_FRAMES))

    def watch(step: int, clean: Tensor | None) -> None:
        screen.advance(step_s, "denoising")
        if screen.shows_pictures and clean is not None:
            screen.show(generator.preview(clean))

    for index, frame in enumerate(generator.generate(request, watch)):
        screen.advance((estimate.seconds - estimate.denoise_s) / num, "painting")
        if screen.shows_pictures and time.perf_counter() - shown > SHOWN_EVERY_S:
            screen.show(frame)
            shown = time.perf_counter()
        if kept is not None and index in picked:
            kept.append(frame.copy())
        yield frame


def _write_sheet(order: Order, kept: list[np.ndarray], *, force: bool) -> None:
    from rushes.media.thumbnails import contact_sheet, pick, save_image

    times_s = [index / order.request.fps for index in pick(order.request.shape.frames, SHEET_FRAMES)]
    columns = min(SHEET_COLUMNS, len(kept))
    picture = contact_sheet(kept, columns=columns, title=order.request.prompt, times_s=times_s)
    save_image(order.sheet, picture, force=force)


def require_memory(estimate: Estimate, available_bytes: int) -> None:
    """Raise RushesError when the film needs more memory than there is."""
    if estimate.memory_bytes > available_bytes:
        needs, has = estimate.memory_bytes / 1e9, available_bytes / 1e9
        cure = "close something, or ask for a smaller --tier or --size"
        raise RushesError(f"the film needs about {needs:.1f} GB of memory and {has:.1f} GB are free; {cure}")


def read_synonyms(path: Path) -> dict[str, str]:
    """Return {word: taught word} of the table that may lie with the weights. Raises: WeightsError."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} can't be read: {error}") from None
    if not isinstance(table, dict) or not all(isinstance(word, str) for word in table.values()):
        raise WeightsError(f"{path} is no table of words")
    return table


def unknown_words(generator: Generator, request: GenerationRequest, synonyms: dict[str, str]) -> dict[str, str | None]:
    """Return each word that the model was never taught with the nearest that it knows, None where nothing is near."""
    vocabulary = generator.film.vocabulary
    strange = vocabulary.unknown(f"{request.prompt} {request.negative_prompt}")
    return {word: synonyms.get(word) or vocabulary.nearest(word) for word in strange}


def _warnings(generator: Generator, request: GenerationRequest, unknown: dict[str, str | None]) -> Iterator[str]:
    vocabulary = generator.film.vocabulary
    if unknown:
        named = [f"{word} ({f'nearest: {near}' if near else 'nothing near'})" for word, near in unknown.items()]
        yield f"words that the model was never taught: {', '.join(named)}"
    for what, text in (("prompt", request.prompt), ("negative prompt", request.negative_prompt)):
        beyond = vocabulary.overflow(text)
        if beyond:
            shown = " ".join(beyond[:8]) + (" …" if len(beyond) > 8 else "")
            yield f"the {what} has more than the {vocabulary.length} words that the model reads; left out: {shown}"


def _differences(generator: Generator | Maker, order: Order) -> Iterator[str]:
    """Say why a film that is made again will differ from what it was."""
    theirs, record = order.before, generator.record(order.request)
    if theirs.get("weights", generator.hashes) != generator.hashes:
        named = ", ".join(f"{name} {str(digest)[:12]}…" for name, digest in theirs["weights"].items())
        yield f"the film was made with other weights ({named}), so this one will differ from it"
    for what in ("device", "dtype"):
        if theirs.get(what, record[what]) != record[what]:
            yield f"the film was made with {what} {theirs[what]}, so this one will differ from it a little"


def free_bytes(generator: Generator | Maker) -> int:
    """Return how much memory is free where the films are made, or a process's part where several share it."""
    import psutil
    import torch

    if generator.device.type == "cuda":
        return torch.cuda.mem_get_info(generator.device)[0]
    return psutil.virtual_memory().available // getattr(generator, "num_here", 1)


def _say(quiet: bool) -> Any:
    return (lambda line: None) if quiet else (lambda line: click.echo(line, err=True))
