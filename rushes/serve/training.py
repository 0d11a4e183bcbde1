"""Trainings as a worker does them: `rushes train --preset subject` in a process of its own, with which others go on.

Its newest checkpoint is kept in the store. Whoever gets the job next, after it gave way or its worker was lost, begins
there; a training is exactly repeatable, so that it ends as it would have without a break.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import platformdirs

from rushes.errors import InputError, RushesError
from rushes.metering import Meter
from rushes.nn import lora
from rushes.serve.client.jobs import Job
from rushes.serve.client.trainings import TrainingRequest, checkpoint_key
from rushes.store import Store

PREPARING, TRAINING = "preparing", "training"
LOOK_S, STOP_S = 0.25, 20.0
NICE = 5  # films on the same machine go first
EVERY = 5  # steps between two lines; without a reader the next one ends the process
STEP = re.compile(r"step (\d+)/\d+ ")

Watch = Callable[[str, float], None]  # hears phase and share done; what it raises stops the training


class Teacher(Protocol):
    """Learns a subject from a folder of stills, in a folder of its own; returns the adapter."""

    def train(self, request: TrainingRequest, stills: Path, folder: Path, watch: Watch) -> Path: ...


class Spent:
    """What a job has taken since this was made, and before, where others began it."""

    def __init__(self, job: Job) -> None:
        self._before, self._begun, self._meter = job.measured, time.perf_counter(), Meter()
        self._cpu_s = _children().ru_utime + _children().ru_stime

    def reading(self) -> dict[str, Any]:
        """Return seconds, CPU seconds of the processes that were started, their largest memory, and energy."""
        taken = self._meter.reading() | {"seconds": time.perf_counter() - self._begun}
        taken["cpu_s"] = _children().ru_utime + _children().ru_stime - self._cpu_s
        for name in ("seconds", "cpu_s", "energy_j"):
            if taken[name] is not None:
                taken[name] = round(taken[name] + (self._before.get(name) or 0), 3)
        unit = 1 if sys.platform == "darwin" else 1024
        return taken | {"memory_bytes": _children().ru_maxrss * unit}


def make(job: Job, store: Store, teacher: Teacher, watch: Watch) -> dict[str, Any]:
    """Learn what a job asks for and keep the adapter; return its key, its hash, and what it is about.

    Raises:
        InputError: a still that is gone or shows nothing, a subject that nothing says what it is like.
    """
    request, kept = job.training_request(), checkpoint_key(job.id)
    with tempfile.TemporaryDirectory(prefix="rushes-") as place:
        stills, folder = Path(place) / "stills", Path(place) / "run"
        stills.mkdir()
        for number, key in enumerate(request.stills, 1):
            (stills / f"still {number:02d}{Path(key).suffix}").write_bytes(store.get(key))
        newest = ""
        if store.list(kept):
            newest = _unpack(store.get(kept), folder)
        is_resumed = bool(newest)

        def keep() -> None:
            nonlocal newest
            found = sorted((folder / "checkpoints").glob("step-*"))[-1:]
            if found and found[0].name != newest:
                store.put(kept, _packed(found[0]))
                newest = found[0].name

        def watched(phase: str, share: float) -> None:
            keep()
            watch(phase, share)

        try:
            adapter = teacher.train(request, stills, folder, watched)
        except InputError:
            raise
        except RushesError:
            if is_resumed:  # perhaps it is the checkpoint's fault: the next try begins anew
                store.delete(kept)
            raise
        except BaseException:
            keep()  # it stopped where it was
            raise
        return _kept(job, store, request, adapter)


def _kept(job: Job, store: Store, request: TrainingRequest, adapter: Path) -> dict[str, Any]:
    content, read = adapter.read_bytes(), lora.read(adapter)
    key = f"{request.folder}{job.id}-{job.attempt}.safetensors"
    store.put(key, content)
    told = {"like": str(read.facts["like"]), "weights": {"cutout": read.base}}
    return told | {"adapter": key, "sha256": hashlib.sha256(content).hexdigest(), "num_bytes": len(content)}


class Training:
    """Trains with the weights in `weights`; `settings` are further ones of `SubjectConfig`, as they are typed.

    `nice` is by how much its processes stand back behind others of the machine.
    """

    def __init__(self, weights: Path, *, threads: int = 0, settings: Sequence[str] = (), nice: int = NICE) -> None:
        self._weights, self._settings = weights.resolve(), (f"run.threads={threads}", *settings)
        self._nice = nice

    def run(self, request: TrainingRequest, stills: Path, folder: Path, watch: Watch) -> Path:
        """Train in `folder`, or go on with what is there; return the adapter's file.

        What `watch` raises stops the training, with a checkpoint of the step that it was in. Raises: InputError;
        RushesError where the process ends otherwise than well.
        """
        with subprocess.Popen(
            self._command(request, stills, folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        ) as running:  # fmt: skip
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, running.pid, os.getpriority(os.PRIO_PROCESS, 0) + self._nice)
            assert running.stderr is not None
            heard = _Heard(running.stderr)
            try:
                while running.poll() is None:
                    watch(TRAINING if heard.step else PREPARING, heard.step / request.steps)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        running.wait(LOOK_S)
            finally:
                _stop(running)
                heard.close()
        if running.returncode == InputError.exit_code:
            raise InputError(heard.last.removeprefix("rushes: "))
        if running.returncode:
            raise RushesError(f"the training ended with code {running.returncode}: {heard.last}")
        (adapter,) = (folder / "weights").glob("*.safetensors")
        return adapter

    def _command(self, request: TrainingRequest, stills: Path, folder: Path) -> list[str]:
        captioner = self._weights / "captioner"
        said = {
            "data": str(stills),
            "name": request.name,
            "like": request.like,
            "run.init": str(self._weights / "cutout"),
            "captioner": str(captioner) if captioner.is_dir() else "",
            "banks": str(Path(platformdirs.user_cache_dir("rushes")) / "banks"),
        }
        typed = [f"{name}={json.dumps(value)}" for name, value in said.items()]
        steps = [f"run.steps={request.steps}", f"run.log_every={EVERY}", "run.checkpoint_every=50", "workers=1"]
        command = [sys.executable, "-m", "rushes", "train", "--preset", "subject", "--out", str(folder)]
        return [*command, *typed, *steps, *self._settings]


class _Heard:
    """What a training says, line by line: the step that it has come to, and the last line."""

    def __init__(self, lines: IO[str]) -> None:
        self.step, self.last = 0, ""
        self._thread = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read to the end."""
        self._thread.join()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self.last = line.strip() or self.last
            if found := STEP.match(line):
                self.step = int(found[1])


def _stop(running: subprocess.Popen[str]) -> None:
    """End a process that still runs: at the end of its step if it can, else at once."""
    if running.poll() is None:
        running.terminate()
        try:
            running.wait(STOP_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def _packed(checkpoint: Path) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as packed:
        packed.add(checkpoint, checkpoint.name)
    return made.getvalue()


def _unpack(content: bytes, folder: Path) -> str:
    """Put a kept checkpoint where a run finds it; return its name."""
    place = folder / "checkpoints"
    place.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as packed:
        packed.extractall(place, filter="data")
    (found,) = place.iterdir()
    return found.name


def _children() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_CHILDREN)
