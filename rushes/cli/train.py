"""Train a model from a preset: `rushes train --preset film run.steps=100`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

import click

from rushes import config, registry
from rushes.errors import InputError


@click.command()
@click.option("--preset", default=None, help="Name of the preset; without one, the known ones are listed.")
@click.option("-o", "--out", type=click.Path(path_type=Path), default=None, help="Folder of the run [runs/PRESET].")
@click.option("--show", is_flag=True, help="Print the resolved config and stop.")
@click.argument("assignments", nargs=-1, metavar="[KEY=VALUE]...")
def command(preset: str | None, out: Path | None, show: bool, assignments: tuple[str, ...]) -> None:
    """Train a model from a preset; a run that was stopped goes on exactly where its last checkpoint was."""
    known = registry.names("train.presets")
    if preset is None:
        raise InputError(f"name a preset with --preset; known: {', '.join(known)}")
    resolved = config.override(registry.find("train.presets", preset)(), assignments)
    if show:
        import json

        click.echo(json.dumps(config.to_dict(resolved), indent=1))
        return
    from rushes.train.trainer import Progress, Trainer

    trainer = Trainer(resolved, out or Path("runs") / preset, say=lambda line: click.echo(line, err=True))

    def watch(p: Progress) -> None:
        minutes, seconds = divmod(int(p.eta_s), 60)
        click.echo(
            f"step {p.step}/{p.steps}  loss {p.loss:.4f}  {p.samples_per_s:.1f} samples/s  {p.tflops:.3f} TFLOP/s "
            f"({p.share_of_ceiling:.0%} of the machine's matrix rate)  ETA {minutes}:{seconds:02d}",
            err=True,
        )

    def stop(signum: int, frame: FrameType | None) -> None:
        if trainer.is_stopping:  # asked twice: stop at once; the last checkpoint is good
            raise KeyboardInterrupt
        click.echo("stopping after this step; once more to stop at once", err=True)
        trainer.is_stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    shipped = trainer.run(watch)
    if shipped is None:
        click.echo(f"stopped and kept at step {trainer.step}", err=True)
        sys.exit(130)
    click.echo(shipped)
