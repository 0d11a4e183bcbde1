"""Build docs/gallery.md: films of held-out prompts, drawn by a seed and never picked."""

from __future__ import annotations

from pathlib import Path

import click

from rushes.errors import InputError

WEIGHTS = Path(__file__).parents[2] / "weights"


@click.command("gallery")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("docs/gallery.md"), show_default=True)
@click.option("--num", default=24, show_default=True, help="How many films.")
@click.option("--seed", default=0, show_default=True, help="The same seed asks the same prompts.")
@click.option("--weights", type=click.Path(path_type=Path), default=WEIGHTS, help="Folder of the weights [weights].")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--force", is_flag=True, help="Replace the page and its films.")
def command(output: Path, num: int, seed: int, weights: Path, device: str, force: bool) -> None:
    """Make small films of held-out prompts and the page that shows them, with what the oracle read."""
    for path in (output, output.with_suffix("")):
        if path.exists() and not force:
            raise InputError(f"{path} exists; use --force to replace it")
    try:
        import skia  # noqa: F401
    except ImportError as error:
        raise InputError(f"prompts are scenes that skia-python draws ({error}); pip install 'rushes[train]'") from None
    from rich.console import Console
    from rich.progress import Progress

    from rushes.evaluate.gallery import build

    with Progress(console=Console(stderr=True)) as bars:
        task = bars.add_task("films", total=num)
        shown = build(output, weights, num, seed, lambda done, _: bars.update(task, completed=done), device)
    for film in shown:
        click.echo(f"{film['file']}  {film['prompt']}")
    click.echo(str(output))
