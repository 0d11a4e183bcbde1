"""How much energy a film took, where the machine says so: Linux' RAPL counters, else nothing is claimed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RAPL = Path("/sys/class/powercap")


class Meter:
    """The joules that the processors' packages took since `start`; other programs' work is in them."""

    def __init__(self, folder: Path = RAPL) -> None:
        self._folder = folder
        self._before = self._read()

    def reading(self) -> dict[str, Any]:
        """Return `energy_j` and where it comes from: `rapl`, or `unavailable` with no figure."""
        after = self._read()
        both = [name for name in after if after[name] >= self._before.get(name, after[name] + 1)]  # a counter may wrap
        if not both:
            return {"energy_j": None, "energy_source": "unavailable"}
        joules = sum(after[name] - self._before[name] for name in both) / 1e6
        return {"energy_j": round(joules, 1), "energy_source": "rapl"}

    def _read(self) -> dict[str, int]:
        counters = {}
        for file in sorted(self._folder.glob("intel-rapl:?/energy_uj")):
            with contextlib.suppress(OSError, ValueError):
                counters[file.parent.name] = int(file.read_text())
        return counters


@contextlib.contextmanager
def metered() -> Iterator[Meter]:
    """A meter that runs from here on."""
    yield Meter()
