"""Training runs that broke off: whole ones without what they wrote since their last checkpoint but one."""

from __future__ import annotations

import shutil
from pathlib import Path

from rushes.train import checkpoint


def broken_off(run: Path, place: Path) -> Path:
    """Copy the folder of a whole run to `place` as it lies after a crash; its losses go on behind the checkpoint."""
    shutil.copytree(run, place)
    newest = checkpoint.committed(place / "checkpoints")[-1]
    for late in (newest, place / "weights", place / "previews"):
        shutil.rmtree(late)
    return place
