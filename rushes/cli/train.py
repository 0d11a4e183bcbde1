"""Train a model from a preset: `rushes train --preset film run.steps=100`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rushes import config, registry
from rushes.errors import InputError, RushesError

if TYPE_CHECKING:
    from rushes.train.parallel.world import ParallelConfig


@click.command()
@click.option("--preset", default=None, help="Name of the preset; without one, the known ones are listed.")
@click.option("-o", "--out", type=click.Path(path_type=Path), default=None, help="Folder of the run [runs/PRESET].")
@click.option("--show", is_flag=True, help="Print the resolved config and stop.")
@click.option("--nproc", type=click.IntRange(1), default=1, help="Number of processes that train together.")
@click.option("--ray", "address", default="", help="Ray cluster to train on: local, auto, HOST:PORT, ray://HOST:PORT.")
@click.option("--restarts", type=click.IntRange(0), default=3, help="How often to go on after a lost process.")
@click.option("--copies", default=1, help="Copies of the model, each sharded over the processes left for it.")
@click.option("--sequence", default=1, help="Number of processes that share each film's tokens.")
@click.option("--attention", default="ulysses", help="How they share its attention: ulysses or ring.")
@click.option("--recompute", is_flag=True, help="Keep no activations inside blocks: less memory, a third more time.")
@click.argument("assignments", nargs=-1, metavar="[KEY=VALUE]...")
def command(
    preset: str | None, out: Path | None, show: bool, nproc: int, address: str, restarts: int, copies: int,
    sequence: int, attention: str, recompute: bool, assignments: tuple[str, ...],
) -> None:  # fmt: skip
    """Train a model from a preset; a run that was stopped goes on exactly where its last checkpoint was.

    Under torchrun each process is one of the run's; --nproc and --ray start them by themselves.
    """
    known = registry.names("train.presets")
    if preset is None:
        raise InputError(f"name a preset with --preset; known: {', '.join(known)}")
    resolved = config.override(registry.find("train.presets", preset)(), assignments)
    if show:
        import json

        click.echo(json.dumps(config.to_dict(resolved), indent=1))
        return
    from rushes.train.parallel import world
    from rushes.train.parallel.world import ParallelConfig

    if sequence > 1 and resolved.run.compile:
        raise InputError("run.compile=true contradicts --sequence; name one of them")
    folder = out or Path("runs") / preset
    ways = ParallelConfig(copies=copies, sequence=sequence, attention=attention, recompute=recompute)
    if world.joined():
        _train_as_one_of_many(resolved, folder, ways)
    elif address or nproc > 1:
        ways.check(nproc)
        _lead(folder, nproc, address, restarts)
    else:
        _train(resolved, folder, world.join(ways))


def _train(resolved: Any, folder: Path, world: Any) -> None:
    """Train, and print where the weights are; exits with 130 where the run was stopped."""
    from rushes.train.trainer import Progress, Trainer

    trainer = Trainer(resolved, folder, say=lambda line: click.echo(line, err=True), world=world)

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
        trainer.say("stopping after this step; once more to stop at once")
        trainer.is_stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    shipped = trainer.run(watch)
    if shipped is None:
        trainer.say(f"stopped and kept at step {trainer.step}")
        sys.exit(130)
    if world.rank == 0:
        click.echo(shipped)


def _train_as_one_of_many(resolved: Any, folder: Path, ways: ParallelConfig) -> None:
    """Train beside the others; a process that loses them says so by its exit code, for all start again together."""
    import traceback

    from rushes.train.parallel import gang, world

    gang.leash()
    try:
        _train(resolved, folder, world.join(ways))
    except (RushesError, OSError, ImportError):
        raise  # these are told in a line, and starting again would not help
    except Exception as error:
        if gang.LEASH not in os.environ or not world.is_loss(error):
            traceback.print_exc()
        _leave(gang.LOST)
    finally:  # threads that still talk to the others abort a process that ends
        world.leave()


def _leave(code: int) -> NoReturn:
    """End at once: whoever waits for a process that is gone would wait for it at exit, too."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _lead(folder: Path, nproc: int, address: str, restarts: int) -> None:
    """Start the processes, keep them together, and end as they do."""
    from contextlib import nullcontext

    from rushes.train.parallel import gang

    places: Any = nullcontext([gang.LocalSeat(rank, folder / "processes" / f"{rank}.log") for rank in range(nproc)])
    if address:
        from rushes.train.parallel import ray_seats

        places = ray_seats.seats(address, nproc)
    with places as seats:
        together = gang.Gang(seats, ["-m", "rushes", *sys.argv[1:]], lambda line: click.echo(line[1], err=line[0] == 2))

        def stop(signum: int, frame: FrameType | None) -> None:
            together.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        code = together.run(restarts)
    if code:
        sys.exit(code)
