"""What a teacher says of each clip; its rows lie beside our captioner's, one version per teacher."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rushes.data.captioning import teachers
from rushes.data.decode.analysis import View
from rushes.data.stages import Measure, Stage
from rushes.errors import RushesError

COLUMNS = {"short": "string", "medium": "string", "dense": "string", "fields": "string", "teacher": "string"}


def version(argument: str) -> str:
    """Return what answers depend on: who is asked, and how. Raises: InputError."""
    asked = json.dumps(teachers.parse(argument).shapes_answers)
    return hashlib.sha256(asked.encode()).hexdigest()[:12]


def load(argument: str) -> Measure:
    """Return the function that asks; `argument` is `PLACE MODEL [key=value]...`. Raises: InputError."""
    teacher = teachers.parse(argument)
    ask = teachers.open_teacher(teacher)

    def one(view: View) -> dict[str, Any]:
        try:
            said = ask(teachers.pictures_of(view, teacher.config.frames))
            return {**teachers.understand(said), "teacher": teacher.model}
        except RushesError as error:
            return {"failed": str(error)}

    def measure(views: Sequence[View]) -> Iterator[dict[str, Any]]:
        # A model in this very process answers one at a time.
        parallel = 1 if teacher.place == teachers.LOCAL else teacher.config.parallel
        with ThreadPoolExecutor(parallel) as pool:
            yield from pool.map(one, views)

    return measure


SPEC = Stage(name="teacher", columns=COLUMNS, version=version, load=load)
