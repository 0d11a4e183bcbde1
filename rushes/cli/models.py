"""List the models that films can be made with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from rushes import config
from rushes.errors import InputError, nearest_first
from rushes.tiers import MODEL

if TYPE_CHECKING:
    from rushes.models.open._catalogue import Found

GB, BILLION = 1e9, 1e9
CAN = "text first last extend remix loop path subject edges sketch depth negative lora"
OURS = (MODEL, "", "", "1280x720, 240 at 24", CAN, "yes", "Apache-2.0")
BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}


@click.command("models")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per model.")
def command(name: str | None, as_json: bool) -> None:
    """List the models that films can be made with: rushes models [NAME]

    With a NAME all that is known of one. The memory is that of the weights alone; a film adds to it.
    """
    from rushes.models.open import _catalogue as catalogue

    if name == MODEL:
        raise InputError(f"{MODEL} is our own model; rushes film --help says what it takes")
    known = catalogue.models()
    if name is not None and name not in known:
        raise InputError(f"there is no model {name!r}; known: {nearest_first(name, known)}")
    shown = [facts(found) for word, found in known.items() if name in (None, word)]
    if as_json:
        for each in shown:
            click.echo(json.dumps(each))
    elif name is not None:
        _describe(shown[0])
    else:
        _table(shown)


def facts(found: Found) -> dict[str, Any]:
    """Return what is known of a model as plain JSON; bytes are those of the weights."""
    checkpoint = found.checkpoint
    native, tier = checkpoint.native, checkpoint.native.tier
    denoisers = checkpoint.num_parameters * checkpoint.num_denoisers
    largest = max(checkpoint.num_parameters, checkpoint.text_parameters)
    resident = denoisers + checkpoint.text_parameters
    return {
        "name": checkpoint.name,
        "family": found.family.name,
        "repo": checkpoint.repo,
        "licence": checkpoint.licence,
        "makes": "films" if checkpoint.makes_films else "pictures",
        "parameters": denoisers,
        "text_parameters": checkpoint.text_parameters,
        "size": f"{tier.shape.width}x{tier.shape.height}",
        "frames": tier.shape.frames,
        "fps": tier.fps,
        "steps": tier.num_steps,
        "guidance": tier.guidance_scale,
        "can": abilities(found),
        "resident_bytes": {dtype: resident * size for dtype, size in BYTES.items()},
        "offloaded_bytes": {dtype: largest * size for dtype, size in BYTES.items()},
        "is_here": is_here(found),
        "native": config.to_dict(native),
    }


def abilities(found: Found) -> list[str]:
    """Return what a model takes: text, pictures to begin or end with, a negative prompt, adapters."""
    native, checkpoint = found.checkpoint.native, found.checkpoint
    can = ["text", *(f"{kind} (needed)" if kind in native.needs else kind for kind in native.conditions)]
    return can + ["negative"] * native.has_negative + ["lora"] * checkpoint.has_lora


def is_here(found: Found) -> bool:
    """Return whether its weights lie under $RUSHES_MODELS or in Hugging Face's cache; nothing is downloaded."""
    from rushes.models.open import _files as files

    return files.here(found.checkpoint) is not None


def _table(shown: list[dict[str, Any]]) -> None:
    rows = [("model", "B", "GB", "film", "takes", "here", "licence"), OURS]
    for each in shown:
        film = f"{each['size']}, {each['frames']} at {each['fps']}" if each["makes"] == "films" else each["size"]
        size = f"{each['parameters'] / BILLION:.1f}" if each["parameters"] else ""
        memory = f"{each['resident_bytes']['bfloat16'] / GB:.0f}" if each["parameters"] else ""
        can = " ".join(each["can"]).replace(" (needed)", "!")
        rows.append((each["name"], size, memory, film, can, "yes" if each["is_here"] else "", each["licence"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        start = "  ".join(word.ljust(width) for word, width in zip(row[:-1], widths, strict=True))
        click.echo(f"{start}  {row[-1]}".rstrip())
    click.echo(
        "\nB: billions of parameters, without the text encoders. GB: all weights in bfloat16. !: can't do without."
    )
    click.echo("rushes models NAME says more; rushes film --model NAME makes a film.")


def _describe(each: dict[str, Any]) -> None:
    memory = [
        f"{dtype} {each['resident_bytes'][dtype] / GB:.1f} GB, {each['offloaded_bytes'][dtype] / GB:.1f} GB offloaded"
        for dtype in BYTES
    ]
    rows = {
        "model": f"{each['name']} (family {each['family']}, {each['makes']})",
        "weights": each["repo"] or "a server's",
        "licence": each["licence"],
        "parameters": f"{each['parameters'] / BILLION:.2f} B, text {each['text_parameters'] / BILLION:.2f} B",
        "memory": "; ".join(memory) + " (weights alone; offloaded: one component at a time)",
        "takes": ", ".join(each["can"]),
        "size": f"{each['size']}; {_sizes(each['native'])}",
        "frames": f"{each['frames']} at {each['fps']} fps; {_lengths(each['native'])}",
        "effort": f"{each['steps']} steps, guidance {each['guidance']:g}",
        "here": "yes" if each["is_here"] else "no: the first film downloads them",
    }
    for name, value in rows.items():
        click.echo(f"{name:<12}{value}")


def _sizes(native: dict[str, Any]) -> str:
    if native["sizes"]:
        return "legal: " + ", ".join(f"{width}x{height}" for width, height in native["sizes"])
    return f"sides are multiples of {native['multiple_px']}, {native['most_pixels']:,} pixels at most"


def _lengths(native: dict[str, Any]) -> str:
    return f"legal: {native['step']} k + 1, {native['most_frames']} at most" if native["most_frames"] > 1 else "one"
