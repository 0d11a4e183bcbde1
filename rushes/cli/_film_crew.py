"""`rushes film` by several processes: they share each film's tokens and its painting, and the first one writes it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Self

import click
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from rushes.cli._film_models import Say, begin, load
from rushes.cli._film_request import Options, Order
from rushes.diffusion import samplers
from rushes.errors import InputError, RushesError
from rushes.generate import Generator
from rushes.models.autoencoder import LATENT_FPS
from rushes.nn import machine, sequence
from rushes.tiers import MODEL, Plan, plan
from rushes.train.parallel import gang, world
from rushes.train.parallel.world import ParallelConfig, World
from rushes.types import Estimate, GenerationRequest

PAINTED = 2  # half-seconds that a process paints in a row
Make = Callable[[Callable[[], Any], list[Order]], None]


class Shared(Generator):
    """A generator in each of several processes; the first one's `generate` works while the others `follow`."""

    world: World
    num_here = 1  # of the processes that share this machine's memory

    def join(self, world: World, requests: list[GenerationRequest]) -> Self:
        """Become one of several. Raises: InputError where so many can't share the requests' films."""
        self.world = world
        if self.device.type == "cpu":
            self.num_here = world.gather(socket.gethostname()).count(socket.gethostname())
        films = [(w.seconds, shot.rows * shot.columns) for shot in map(plan, requests) for w in shot.windows]
        sequence.require(world.size, self.film.config.heads, films, world.config.attention)
        return self

    def estimate(self, request: GenerationRequest) -> Estimate:
        """Predict the cost from what one process needs; each has its share of the time and all of the memory."""
        alone, num = super().estimate(request), self.world.size
        return replace(alone, seconds=alone.seconds / num, denoise_s=alone.denoise_s / num)

    def generate(self, request: GenerationRequest, watch: samplers.Watch = samplers.ignore) -> Iterator[np.ndarray]:
        """Yield the frames of a film that all processes make, as a generator alone does."""
        self.world.first(lambda: request)
        with self._sharing():
            yield from super().generate(request, watch)

    def follow(self) -> None:
        """Make the first process's films with it, until it has no more."""
        while (request := self.world.first(lambda: None)) is not None:
            with self._sharing():
                latent = self.latent(request)
            self._send(latent, plan(request), loops=request.condition("loop") is not None)

    @contextlib.contextmanager
    def _sharing(self) -> Iterator[None]:
        group, heads = dist.group.WORLD, self.film.config.heads
        assert group is not None
        hooks = sequence.spread(self.film.blocks, heads, group, self.world.config.attention)
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def paint(self, latent: Tensor, shot: Plan, *, loops: bool = False) -> Iterator[np.ndarray]:
        """Yield the frames of a latent: this process's own, and in between those that the others paint."""
        for number, (piece, part) in enumerate(pieces(latent, shot, loops=loops)):
            if number % self.world.size == 0:
                yield from super().paint(piece, part, loops=True)
            else:
                shape = part.shape
                frames = torch.empty(shape.frames, shape.height, shape.width, 3, dtype=torch.uint8)
                dist.recv(frames, src=number % self.world.size)
                yield from frames.numpy()

    def _send(self, latent: Tensor, shot: Plan, *, loops: bool) -> None:
        """Paint this process's pieces, each while the first process takes the one before."""
        sent: tuple[Any, Tensor] | None = None  # the tensor has to live until it is sent
        for number, (piece, part) in enumerate(pieces(latent, shot, loops=loops)):
            if number % self.world.size == self.world.rank:
                frames = torch.from_numpy(np.stack(list(super().paint(piece, part, loops=True))))
                if sent is not None:
                    sent[0].wait()
                sent = dist.isend(frames, dst=0), frames
        if sent is not None:
            sent[0].wait()


def pieces(latent: Tensor, shot: Plan, *, loops: bool) -> Iterator[tuple[Tensor, Plan]]:
    """Yield latents `[1 c t h w]` that are painted as loops, one after another, to the frames of the whole.

    A half-second is painted with its neighbours in sight: behind each piece stand the one after it and the one before
    it, as where a loop goes on and where it came from, and its plan has no frames for them.
    """
    num, each = latent.shape[2], shot.fps // LATENT_FPS
    left = shot.shape.frames - shot.given_s * shot.fps
    before, after = (num - 1, 0) if loops else (0, num - 1)
    for start in range(0, num, PAINTED):
        end = min(start + PAINTED, num)
        frames = min((end - start) * each, left - start * each)
        if frames > 0:
            around = [end if end < num else after, start - 1 if start else before]
            piece = torch.cat((latent[:, :, start:end], latent[:, :, around]), dim=2)
            yield piece, replace(shot, given_s=0, shape=replace(shot.shape, frames=frames))


def check(options: Options, wanted: list[Order], attention: str) -> None:
    """Raise InputError for what several processes can't do."""
    ParallelConfig(attention=attention).check(1)
    model = wanted[0].request.model
    if model != MODEL:
        raise InputError(f"several processes share films of {MODEL} alone; {model} makes them in one")
    if options.device not in (None, "auto", "cpu", "cuda"):
        raise InputError(f"--device {options.device} contradicts several processes; legal are auto, cpu and cuda")
    if options.threads > 1:
        raise InputError("--threads contradicts several processes, each of which computes with one core")


def lead(nproc: int, address: str, options: Options) -> None:
    """Start the processes here, or on the Ray cluster at `address`, and end as they do."""
    if address and options.is_on_stdout:
        raise InputError("--live - contradicts --ray, which passes on lines of text; name a file")
    with contextlib.ExitStack() as stack:
        seats: Any
        if address:
            from rushes.train.parallel import ray_seats

            seats = stack.enter_context(ray_seats.seats(address, nproc))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            seats = [gang.LocalSeat(rank, folder / f"{rank}.log") for rank in range(nproc)]
        together = gang.Gang(seats, ["-m", "rushes", *sys.argv[1:]], lambda line: click.echo(line[1], err=line[0] == 2))

        def stop(number: int, frame: FrameType | None) -> None:
            together.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        try:
            code = together.run(restarts=0)
        except RushesError as error:
            lost = str(error).partition("; ")[0]  # what follows speaks of checkpoints, which a film has none of
            raise RushesError(f"{lost}; the film that it was at is not kept") from None
    if code:
        sys.exit(code)


def work(options: Options, wanted: list[Order], names: dict[str, str], attention: str, say: Say, make: Make) -> None:
    """Make films as one of several processes; `make` writes them, in the first one."""
    gang.leash()
    try:
        place = _place(names)
        together = world.join(ParallelConfig(attention=attention))
        wanted = together.first(lambda: begin(options, wanted, names, say))
        dtype = together.first(lambda: machine.dtype(names["dtype"], place))  # timed on accelerators: they could differ
        names = names | {"dtype": str(dtype).removeprefix("torch.")}
        requests = [order.request for order in wanted]

        def one() -> Shared:
            return load(replace(options, threads=1), requests, names, say, Shared).join(together, requests)

        if together.rank == 0:
            make(one, wanted)
            together.first(lambda: None)
        else:
            one().follow()
    except (RushesError, OSError, ImportError):
        raise  # these are told in a line
    except Exception as error:
        is_loss = world.is_loss(error)
        if not is_loss:
            traceback.print_exc()
        leave(gang.LOST if is_loss else 1)
    finally:
        world.leave()


def _place(names: dict[str, str]) -> torch.device:
    """Return where this process computes. Raises: InputError where it can't be beside others."""
    place = machine.device(names["device"])
    if place.type not in ("cpu", "cuda"):
        raise InputError(f"several processes can't share {place.type}; legal are --device cpu and cuda")
    own, num = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if torch.cuda.is_available() and own >= num:
        raise InputError(f"there are more processes here than accelerators; the nearest legal number is {num}")
    return place


def leave(code: int) -> NoReturn:
    """End at once: whoever waits for a process that is gone would wait for it at exit, too."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
