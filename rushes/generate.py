"""The one way from a request to frames: encode the text, draw noise, make the schedule, sample, decode."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rushes import __version__, config, given
from rushes.diffusion import conditions, flow, samplers, schedule
from rushes.diffusion.guidance import Guidance
from rushes.layouts import COLUMNS, PER_SECOND
from rushes.models._begun import Views
from rushes.models._lead import Leader, told, turned
from rushes.models._room import film_bytes
from rushes.models.autoencoder import ENCODED_FPS, LATENT_FPS, PAINTED_FPS, Autoencoder, fit, from_bytes, to_bytes
from rushes.models.transformer import Lead, Ready, Transformer
from rushes.nn import lora, machine, weights
from rushes.tiers import LEGAL_FPS, Plan, plan
from rushes.types import Estimate, GenerationRequest

assert LEGAL_FPS == (ENCODED_FPS, PAINTED_FPS) and given.VIEW_FPS == ENCODED_FPS
FOLDED = "folded.safetensors"
TRIAL = (1, 12, 12)  # seconds, rows, columns
WINDOWS_APART = 1_000_003  # between the seeds of a long film's windows
ENCODING_S = 5.5e-9  # CPU seconds per pixel that x264 and colour conversion take (docs/media.md)


class Generator:
    """Loaded weights that turn requests into frames; the same request gives the same frames, bit for bit."""

    folded = 1.0  # the guidance that the prompted velocity already has
    leader = Leader()  # of a film model that can be led

    def __init__(self, autoencoder: Autoencoder, film: Transformer, hashes: dict[str, str]) -> None:
        self.autoencoder, self.film, self.hashes = autoencoder, film, hashes
        self.device, self.dtype = film.out.weight.device, film.out.weight.dtype
        self.cell_px = autoencoder.config.cell

    @classmethod
    def load(cls, folder: Path, *, device: str = "auto", dtype: str = "auto", threads: int = 0) -> Generator:
        """Load `folder`/autoencoder and `folder`/film; `threads` 0 leaves torch's own number.

        Where an adapter lies with the film's weights that folds guidance into them, it is added. `device` and `dtype`
        (the film model's alone) are as in `rushes.nn.machine`. Raises: InputError; WeightsError.
        """
        place = machine.device(device)
        machine.keep_memory()
        torch.set_num_threads(threads or torch.get_num_threads())
        families = {"autoencoder": "autoencoder", "film": "transformer"}
        hashes = {name: weights.read_config(folder / name, family=kind)["sha256"] for name, kind in families.items()}
        film, folded = Transformer.from_pretrained(folder / "film"), 1.0
        if (folder / "film" / FOLDED).is_file():
            adapter = lora.read(folder / "film" / FOLDED)
            if adapter.base == hashes["film"]:  # else it lies beside weights that have changed since
                film, folded = lora.merge(film, adapter), float(adapter.facts["guidance"])
                hashes["folded"] = adapter.sha256
        film = film.to(place, machine.dtype(dtype, place))
        film = film.lay() if place.type == "cpu" else film
        made = cls(Autoencoder.from_pretrained(folder / "autoencoder").to(place), film, hashes)
        made.folded = folded
        made.leader = Leader.load(folder, film.config, made.autoencoder.transform)
        made.hashes |= {name: weights.read_config(folder / name, family=name)["sha256"] for name in made.leader.parts}
        return made

    def record(self, request: GenerationRequest) -> dict[str, Any]:
        """Return the request as plain JSON, with the weights' hashes, device and dtype: what a film's file carries."""
        made = {"device": self.device.type, "dtype": str(self.dtype).removeprefix("torch.")}
        return config.to_dict(request) | {"weights": self.hashes, "rushes": __version__} | made

    def generate(self, request: GenerationRequest, watch: samplers.Watch = samplers.ignore) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`; `watch(step, clean estimate)` sees each step. Raises: InputError."""
        shot = plan(request)
        latent = self.latent(request, watch)
        yield from given.frames(request, shot)
        yield from given.around(request, shot, self.paint(latent, shot, loops=request.condition("loop") is not None))

    @machine.tiny_as_zero()
    @torch.inference_mode()
    def latent(self, request: GenerationRequest, watch: samplers.Watch = samplers.ignore) -> Tensor:
        """Return the film as its latent `[1 c t h w]` float32, from where it is not given: all but the painting."""
        machine.keep_memory()  # another maker in this process may have asked for the opposite
        shot = plan(request)
        views = given.views(request, shot, self.cell_px)
        leads = self.leader.leads(request, shot, given.subject(request), views)
        made = torch.zeros(1, self.film.config.channels, 0, shot.rows, shot.columns, device=self.device)
        if "extend" in views:
            made = self._encoded(views["extend"])
        num_given = made.shape[2]
        for number, window in enumerate(shot.windows):
            known = made[:, :, made.shape[2] - window.known_s * LATENT_FPS :]
            latent = self._window(request, shot, number, known, leads[number], views, watch)
            made = torch.cat((made, latent[:, :, known.shape[2] :]), dim=2)
        return made[:, :, num_given:]

    def paint(self, latent: Tensor, shot: Plan, *, loops: bool = False) -> Iterator[np.ndarray]:
        """Yield the frames, uint8 RGB `[h w 3]`, of a latent `[1 c t h w]`, as many as `shot.shape` has."""
        shape = shot.shape
        num = shape.frames - shot.given_s * shot.fps
        for frames in self.autoencoder.decode(latent, fps=shot.fps, pixels=shot.pixels, num_frames=num, loops=loops):
            yield from fit(frames, shape.height, shape.width).numpy()

    @torch.inference_mode()
    def estimate(self, request: GenerationRequest) -> Estimate:
        """Predict the cost of `request` from its FLOPs and a quick trial of this machine. Raises: InputError."""
        shot, threads = plan(request), torch.get_num_threads()
        num_films, num_cells = len(self._shares(request)), shot.rows * shot.columns
        step_s = machine.seconds(lambda: self._trial(request), self.device) / self.film.flops(TRIAL)
        few = torch.zeros(1, self.film.config.channels, 1, 4, 4, device=self.device)
        paint = functools.partial(self.autoencoder.decode, few, fps=8, pixels=shot.pixels)
        cell_s = machine.seconds(lambda: list(paint()), self.device) / (4 * 4 * 4)
        work = sum(self.film.flops((window.seconds, shot.rows, shot.columns)) for window in shot.windows)
        denoise_s = request.num_steps * step_s * work
        frame_s = cell_s * num_cells + shot.shape.height * shot.shape.width * ENCODING_S
        leading = self.leader.models
        most = film_bytes(self.film, self.autoencoder, shot, num_films=num_films, threads=threads, leading=leading)
        whole_s = denoise_s + shot.shape.frames * frame_s / threads
        return Estimate(seconds=whole_s, denoise_s=denoise_s, memory_bytes=most)

    @torch.inference_mode()
    def preview(self, clean: Tensor) -> np.ndarray:
        """Return the middle of a clean estimate `[1 c t h w]` as a small picture, uint8 `[16h 16w 3]`, in no time."""
        pixels = self.autoencoder.transform.decode(clean.narrow(2, clean.shape[2] // 2, 1).float())[0, :, 0]
        return to_bytes(pixels).permute(1, 2, 0).cpu().numpy()

    def _trial(self, request: GenerationRequest) -> Tensor:
        """Take one step of a small film of `request`'s texts, led by nothing."""
        seconds, rows, columns = TRIAL
        x = torch.zeros(1, self.film.config.channels, seconds * LATENT_FPS, rows, columns, device=self.device)
        lead = Lead(torch.zeros(seconds * PER_SECOND, COLUMNS))
        with machine.abreast(len(self._shares(request))) as at_once:
            return self._velocity(request, TRIAL, lead, torch.ones(1), at_once)(x, torch.ones(1), 0)

    def _window(
        self,
        request: GenerationRequest,
        shot: Plan,
        number: int,
        known: Tensor,
        lead: Lead,
        views: Views,
        watch: samplers.Watch,
    ) -> Tensor:
        """Return one stretch of the film `[1 c t h w]`; its first latent frames are `known`, `views` what is given."""
        window = shot.windows[number]
        num_frames = window.seconds * LATENT_FPS
        random = torch.Generator().manual_seed((request.seed + number * WINDOWS_APART) % 2**63)
        shape = (1, self.film.config.channels, num_frames, shot.rows, shot.columns)
        start = torch.randn(shape, generator=random).to(self.device)
        agree, highest = self._evidence(shot, number, known, lead, views), 1.0
        if (remix := request.condition("remix")) is not None:
            highest, earlier = remix.strength, self._encoded(views["remix"])  # a remix is made in one window
            start = flow.noised(earlier, start, torch.tensor([highest], device=self.device))
            if remix.area is not None:
                agree = conditions.outside(earlier, torch.from_numpy(given.is_free(remix.area, shot)).to(self.device))
        grid = schedule.grid(request.num_steps, 2.0 * schedule.shift_for(shot.num_tokens), highest)
        with machine.abreast(len(self._shares(request))) as at_once:
            turnable = self._velocity(request, (window.seconds, shot.rows, shot.columns), lead, grid[:-1], at_once)
            loops = request.condition("loop") is not None
            velocity = conditions.turning(turnable, num_frames if loops else 0)
            if agree is not None:
                velocity = conditions.agreeing(velocity, agree)
            before = number * request.num_steps
            return samplers.multistep(velocity, start, grid, lambda step, clean: watch(before + step, clean))

    def _evidence(self, shot: Plan, number: int, known: Tensor, lead: Lead, views: Views) -> conditions.Agree | None:
        """Return the correction by what is known of a window: its beginning, or the pictures at the film's ends."""
        transform, evidence = self.autoencoder.transform, []
        if known.shape[2]:
            frames = tuple(range(known.shape[2]))
            evidence.append(conditions.Evidence(frames=frames, missing=lambda clean: known - clean))
        last = shot.windows[number].seconds * LATENT_FPS - 1
        ends = {"first": (0, 0, 0), "last": (len(shot.windows) - 1, last, transform.config.window - 1)}
        for kind, (where, frame, view) in ends.items():
            if kind in views and number == where:
                picture = from_bytes(views[kind])[0, :, 0].to(self.device)
                evidence.append(conditions.Evidence(frames=(frame,), missing=transform.towards(picture, view)))
        stillness = transform.stillness()
        if lead.backdrop is not None:  # it shows what stands still; what was there at first would stay behind
            stillness = torch.zeros_like(stillness)
        prior = conditions.Prior(deviation=transform.deviation(), stillness=stillness)
        return conditions.known(evidence, prior) if evidence else None

    def _encoded(self, views: np.ndarray) -> Tensor:
        return self.autoencoder.encode(from_bytes(views).to(self.device))

    def _shares(self, request: GenerationRequest) -> dict[str, float]:
        """Return the texts whose velocities make up the film's, and how much of each."""
        guidance = Guidance(scale=request.guidance_scale, folded=self.folded)
        negative = request.negative_prompt
        shares = zip((request.prompt, negative, ""), guidance.shares(has_negative=bool(negative)), strict=True)
        return {text: share for text, share in shares if share}

    def _velocity(
        self,
        request: GenerationRequest,
        grid: tuple[int, int, int],
        lead: Lead,
        times: Tensor,
        at_once: machine.AtOnce,
    ) -> conditions.Turned:
        """Return the guided velocity at `times`; what no step changes is computed here, once.

        On several cores each text goes through the model alone. What leads a film that is turned by some latent frames
        is turned with it.
        """
        shares, film, steps = self._shares(request), self.film, times.tolist()
        ids = torch.tensor([film.vocabulary.encode(text) for text in shares], device=self.device)
        seconds = (torch.zeros(1, device=self.device), torch.full((1,), float(grid[0]), device=self.device))

        def read(one: Tensor) -> Ready:
            return film.ready(grid, film.read(one), times[:, None].to(self.device), seconds)

        ready = at_once([functools.partial(read, each) for each in ids.split(1)])
        if self.device.type != "cpu" or torch.get_num_threads() == 1:
            ready = [film.together(ready)]
        said = told(lead, [text == request.prompt for text in shares], self.device, len(shares) // len(ready))
        led = at_once([functools.partial(film.led, *each) for each in zip(ready, said, strict=True)])
        weight = torch.tensor(list(shares.values()), device=self.device).view(-1, 1, 1, 1, 1)
        # OpenMP's idle threads spin for milliseconds on the cores that the pieces need; `abreast` gives them back.
        torch.set_num_threads(1)

        def velocity(x: Tensor, t: Tensor, by: int) -> Tensor:
            each = led
            if by:
                others = zip(ready, (turned(one, by) for one in said), strict=True)
                each = at_once([functools.partial(film.led, *other) for other in others])
            step = steps.index(float(t[0]))
            pieces = [functools.partial(film.velocity, x, one, step) for one in each]
            return (torch.cat(at_once(pieces)) * weight).sum(0, keepdim=True)

        return velocity
