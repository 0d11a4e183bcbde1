"""`rushes worker`: a process that makes films for a studio, on this machine or another."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import click

from rushes.cli._houses import config_option, configured, home_option

WEIGHTS = Path(__file__).parents[2] / "weights"
DRAIN_S = 120.0


@click.command("worker")
@config_option
@home_option
@click.option("--parent", type=int, default=0, hidden=True, help="End when this process is no longer the parent.")
@click.option("--threads", type=click.IntRange(0), default=0, help="CPU threads; 0 leaves it to torch.")
def command(file: Path | None, home: str, parent: int, threads: int) -> None:
    """Make films for a studio until Ctrl-C or SIGTERM; the film at hand is finished first."""
    from rushes.serve.film import Films
    from rushes.serve.worker import Worker
    from rushes.studio.ending import Ending
    from rushes.studio.house import House

    house = House(configured(file, home=home))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if parent:
        threading.Thread(target=_end_with, args=(parent, stop), daemon=True).start()
    film = Films(Path(house.config.weights or WEIGHTS), house.config.models, threads=threads)
    try:
        Worker(house.database, house.media, film, Ending(house)).run(stop, DRAIN_S)
    finally:
        house.close()


def _end_with(parent: int, stop: threading.Event) -> None:
    """Set `stop` once the studio that started this worker is gone, however it went."""
    while os.getppid() == parent and not stop.wait(1.0):
        pass
    stop.set()
