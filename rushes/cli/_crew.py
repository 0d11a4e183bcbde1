"""What runs beside a studio's pages: its own workers, started again when they end, and what keeps the house."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushes.errors import RushesError

if TYPE_CHECKING:
    from rushes.studio.house import House

LOGGER = logging.getLogger("rushes.studio")
LOOK_S, REAP_S, LONGEST_S = 0.5, 5.0, 60.0
DRAIN_S = 20.0


@contextlib.contextmanager
def beside(house: House, file: Path | None) -> Iterator[None]:
    """Run workers, and what must go on without them, while the block runs."""
    stop = threading.Event()
    command = [sys.executable, "-m", "rushes", "worker", "--home", str(house.config.folder)]
    command += ["--parent", str(os.getpid()), *(["--config", str(file)] if file else [])]
    jobs: list[tuple[Any, tuple[Any, ...]]] = [(_keep_working, (command, stop)) for _ in range(house.config.workers)]
    jobs += [(_reap_until, (house, stop))]
    threads = [threading.Thread(target=work, args=arguments, daemon=True) for work, arguments in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(DRAIN_S + 5)


def _keep_working(command: list[str], stop: threading.Event) -> None:
    """Run a worker; one that ends is started again, later each time it ends at once."""
    wait_s = 1.0
    while not stop.is_set():
        begun, worker = time.monotonic(), subprocess.Popen(command)
        while worker.poll() is None and not stop.wait(LOOK_S):
            pass
        if stop.is_set():
            worker.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(DRAIN_S)
            worker.kill()
            worker.wait()
            return
        wait_s = 1.0 if time.monotonic() - begun > LONGEST_S else min(LONGEST_S, 2 * wait_s)
        LOGGER.warning("a worker ended with code %s; another starts in %.0f s", worker.returncode, wait_s)
        stop.wait(wait_s)


def _reap_until(house: House, stop: threading.Event) -> None:
    """Move the jobs of lost workers on, also while no worker is left to, and finish what deleted accounts leave."""
    import sqlalchemy as sa

    from rushes.serve.client import workers
    from rushes.studio.library import films
    from rushes.studio.members import deletion

    while not stop.wait(REAP_S):
        try:
            workers.reap(house.database, house.queue, films.settle)
            deletion.finish(house)
        except (sa.exc.OperationalError, RushesError) as error:
            LOGGER.warning("lost jobs and deletions wait: %s", str(error).splitlines()[0])
