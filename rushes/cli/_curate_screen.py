"""The live picture of a curation on standard error: how far it is, how fast, what became of the sources so far."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

if TYPE_CHECKING:
    from rushes.data.run import Progress as RunProgress

NAMES = {
    "looking": "looking for films",
    "reading": "reading new films",
    "cutting": "analysing and cutting",
    "measuring": "measuring clips",
    "selecting": "selecting",
}
LINE_EVERY_S = 10.0


class Screen:
    """A context manager: bars where standard error is a terminal, else a line now and then.

    The number of workers is not shown where it is 0: a cluster's comes and goes.
    """

    def __init__(self, workers: int) -> None:
        self._workers, self._frames, self._begun, self._said = workers, 0, time.monotonic(), 0.0
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bars.add_task("starting", total=None)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._phase = ""
        self._phase_begun = time.monotonic()

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def add_frames(self, num_frames: int) -> None:
        """Count frames that a worker has just decoded."""
        self._frames += num_frames

    def watch(self, progress: RunProgress) -> None:
        """Show how far the run is."""
        name = NAMES.get(progress.phase, progress.phase)
        if progress.phase != self._phase:
            self._phase, self._phase_begun, self._said = progress.phase, time.monotonic(), 0.0
            self._bars.reset(self._task, total=progress.total or None, description=name)
        self._bars.update(self._task, completed=progress.done, total=progress.total or None)
        if self._console.is_terminal:
            self._live.update(Group(self._bars, Text(self.rates(progress))))
        elif progress.total and time.monotonic() - self._said >= LINE_EVERY_S:
            self._said = time.monotonic()
            click.echo(f"{name}: {progress.done} of {progress.total}; {self.rates(progress)}", err=True)

    def rates(self, progress: RunProgress) -> str:
        """Return the line below the bar."""
        seconds = max(1e-3, time.monotonic() - self._begun)
        parts = [
            f"{progress.num_clips} clips",
            f"{self._frames / seconds:.0f} frames/s",
            f"{progress.num_bytes / seconds / 1e6:.1f} MB/s",
            *([f"{self._workers} workers"] if self._workers else []),
        ]
        parts += [f"{count} {outcome}" for outcome, count in sorted(progress.outcomes.items())]
        if progress.total and progress.done and self._phase in ("cutting", "measuring"):
            each_s = (time.monotonic() - self._phase_begun) / progress.done
            minutes, left_s = divmod(round(each_s * (progress.total - progress.done)), 60)
            parts.append(f"{minutes}:{left_s:02d} left")
        return "  ".join(parts)
