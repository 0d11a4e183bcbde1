"""What people see while a film is made: a bar with the time left and, in a terminal, the film itself in small."""

from __future__ import annotations

import sys
from types import TracebackType

import numpy as np
from PIL import Image
from rich.color import Color
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.style import Style
from rich.text import Text

PICTURE_COLUMNS, PICTURE_ROWS = 48, 27


def half_blocks(picture: np.ndarray, columns: int = PICTURE_COLUMNS, rows: int = PICTURE_ROWS) -> Text:
    """Return a picture, uint8 `[h w 3]`, as text of at most `columns x rows` cells of two square pixels each."""
    height, width = picture.shape[:2]
    scale = min(columns / width, 2 * rows / height)
    size = (max(1, round(width * scale)), max(2, round(height * scale / 2) * 2))
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    text = Text(no_wrap=True, end="")
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        for above, below in zip(upper, lower, strict=True):
            text.append("▀", Style(color=Color.from_rgb(*map(int, above)), bgcolor=Color.from_rgb(*map(int, below))))
        text.append("\n")
    return text


class Screen:
    """A bar over the whole work on standard error, and above it the film as far as it is known; silent elsewhere."""

    def __init__(self, *, total_s: float, picture: bool, bar: bool) -> None:
        self.console = Console(file=sys.stderr)
        self.is_on = bar and self.console.is_terminal
        self.shows_pictures = self.is_on and picture
        columns = (TextColumn("{task.description:>9}"), BarColumn(32), TextColumn("{task.percentage:>3.0f} %"))
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self.progress = Progress(*columns, *times, console=self.console)
        self.task = self.progress.add_task("denoising", total=max(total_s, 1e-6))
        self.live = Live(self.progress, console=self.console, transient=True, refresh_per_second=5)

    def __enter__(self) -> Screen:
        if self.is_on:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.is_on:
            self.live.stop()

    def advance(self, seconds: float, what: str) -> None:
        """Say that work estimated at `seconds` is done."""
        if self.is_on:
            self.progress.update(self.task, advance=seconds, description=what)

    def show(self, picture: np.ndarray) -> None:
        """Show a picture, uint8 `[h w 3]`, in place of the last one."""
        if self.shows_pictures:
            rows, columns = min(PICTURE_ROWS, self.console.height - 3), min(PICTURE_COLUMNS, self.console.width)
            if rows > 1:
                self.live.update(Group(half_blocks(picture, columns, rows), self.progress))
