"""Teach an open-weight model stills or clips: a peft adapter beside its weights, or all weights of its denoiser.

b films of a batch, c channels, t h w latent grid
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rushes import config as configs
from rushes.data import settings
from rushes.data.loader import Order
from rushes.diffusion import flow
from rushes.errors import InputError, WeightsError
from rushes.media import decode
from rushes.media.encode import encode, replacing
from rushes.media.thumbnails import contact_sheet, pick, save_image
from rushes.models.open import _adapters as adapters
from rushes.models.open import _catalogue as catalogue
from rushes.models.open import _study as study
from rushes.models.open._diffusers import DiffusersMaker
from rushes.nn import float8, machine
from rushes.nn.lora import LoraConfig
from rushes.train import ceiling, exemplars
from rushes.train.exemplars import Exemplar
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.trainer import Objective, RunConfig, generator
from rushes.types import GenerationRequest, VideoShape

NUM_PREVIEWS, SHOWN_FRAMES = 2, 4
MOST_MEASURED = 8  # lessons whose loss is measured with each preview
BEFORE = "before"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFinetuneConfig:
    """`model` is one of `rushes models` or a folder of weights; `data` a dataset, or a folder of stills and films.

    `subject` are words that begin every caption. `width`, `height` and `frames` are the shape that is learned, 0 the
    model's own; a still is one frame. `captions` and what follows choose a dataset's; `captioner` describes what has no
    text file beside it. `prompts` (none: the first captions) are filmed with each preview, in `preview_frames` frames
    and `preview_steps` steps. `cache` keeps latents and the prompts' tokens for this run and others.
    """

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    lora: LoraConfig = field(default_factory=lambda: LoraConfig(rank=16, targets=adapters.ATTENTION))
    model: str = ""
    data: str = ""
    subject: str = ""
    width: int = 0
    height: int = 0
    frames: int = 0
    batch: int = 1
    captions: str = "caption"
    caption_version: str = ""
    caption_columns: tuple[str, ...] = ("short", "medium")
    captioner: str = "weights/captioner"
    prompts: tuple[str, ...] = ()
    preview_frames: int = 17
    preview_steps: int = 20
    no_prompt: float = 0.1
    t_mean: float = 0.0
    t_deviation: float = 1.0
    shift: float = 3.0
    recompute: bool = False
    cache: str = "runs/lessons"

    def __post_init__(self) -> None:
        for name, least in (("width", 0), ("height", 0), ("frames", 0), ("batch", 1), ("preview_steps", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} {getattr(self, name)} is illegal; the nearest legal value is {least}")

    def objective(self) -> Objective:
        return OpenFinetuneObjective(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """A window of a film, or a still, that can be learned: the file of its latents, its texts and its shape."""

    latents: Path
    texts: tuple[str, ...]
    weight: float
    shape: VideoShape


class Batch(NamedTuple):
    """Latents and noise `[b c t h w]`, times `[b]`, and what the denoiser is told of each prompt, `[b ...]` each."""

    clean: Tensor
    noise: Tensor
    t: Tensor
    own: dict[str, Tensor]


class OpenFinetuneObjective:
    """One step is one batch of stills, or of windows of films; which, follows from (seed, step).

    `network` is the denoiser as a whole; `model` are those of its weights that learn.
    """

    def __init__(self, config: OpenFinetuneConfig) -> None:
        self.config, self.share = config, Share()
        if not config.model or not config.data:
            missing = "model=wan2.1-1.3b" if not config.model else "data=FOLDER of stills"
            raise InputError(f"name a model and what it learns, for instance {missing}")
        if config.run.init or config.run.compile:
            raise InputError("run.init and run.compile are for our own models; leave them out")
        self.found = catalogue.find(config.model)
        study.teachable(self.found)
        self.shape, self.place = self._shape(), ceiling.device()
        self.exemplars = self._exemplars()
        in_eight_bits = config.run.dtype == float8.NAME
        if in_eight_bits:
            float8.require(self.place)
        self.dtype = torch.bfloat16 if in_eight_bits else machine.dtype(config.run.dtype, self.place)
        self.pupil, self.hashes = study.opened(self.found, self.dtype)
        self.network: nn.Module = self.pupil.denoiser
        torch.manual_seed(config.run.seed)  # reading weights may draw numbers, too
        if config.lora.rank:
            adapters.attach(self.network, config.lora, only_stills=all(one.is_still for one in self.exemplars))
        if in_eight_bits:
            float8.convert(self.network)
        if config.recompute:
            self.network.enable_gradient_checkpointing()  # type: ignore[operator]
        self.model: nn.Module = adapters.Taught(self.network)
        self.lessons: list[Lesson] = []
        self.order: Order | None = None

    def _shape(self) -> VideoShape:
        """Return the shape that is learned. Raises: InputError naming the nearest legal one."""
        c, native = self.config, self.found.checkpoint.native
        usual = native.tier.shape
        shape = VideoShape(
            frames=c.frames or usual.frames, height=c.height or usual.height, width=c.width or usual.width
        )
        native.check(self._request("a film", shape))
        return shape

    def _request(self, prompt: str, shape: VideoShape, seed: int = 0) -> GenerationRequest:
        checkpoint, steps = self.found.checkpoint, self.config.preview_steps
        tier = checkpoint.native.tier
        return GenerationRequest(
            prompt=prompt, model=checkpoint.name, seed=seed, shape=shape, fps=tier.fps, num_steps=steps,
            guidance_scale=tier.guidance_scale,
        )  # fmt: skip

    def _exemplars(self) -> list[Exemplar]:
        c = self.config
        if exemplars.is_folder(c.data):
            return exemplars.of_folder(Path(c.data))
        return exemplars.of_dataset(c.data, c.captions, c.caption_version, c.caption_columns)

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Make or open latents and the prompts' tokens, and film the prompts as the model does before it learns."""
        c = self.config
        self.exemplars = exemplars.described(self.exemplars, Path(c.captioner), say)
        self._remember(folder)
        with self._together():
            self.lessons = [lesson for one in self.exemplars for lesson in self._lessons(one, say)]
            if not self.lessons:
                raise InputError(f"nothing in {c.data} lasts {self.shape.frames} frames; name fewer, frames=")
            num_stills = sum(one.is_still for one in self.exemplars)
            films = f"{num_stills} stills and {len(self.lessons) - num_stills} windows of films"
            learning, whole = (sum(p.numel() for p in each.parameters()) for each in (self.model, self.network))
            say(f"{self.found.checkpoint.name} learns {films}: {learning:,} numbers of {whole:,}")
            for shape in self._shapes:
                self.pupil.call(shape)
                for text in ("", *dict.fromkeys(text for one in self.lessons for text in one.texts)):
                    self._tokens(text, shape)
        groups = [[i for i, one in enumerate(self.lessons) if one.shape == shape] for shape in self._shapes]
        members = tuple(np.array(some, np.int64) for some in groups)
        totals = tuple(np.cumsum([self.lessons[i].weight for i in some]) for some in groups)
        self.order = Order(members, totals, c.batch, c.run.seed)
        previews = folder / "previews"
        previews.mkdir(exist_ok=True)
        self._films(previews, BEFORE)
        say(f"{BEFORE}: measured_loss {self._measured(self.model):.4f}")

    @property
    def _shapes(self) -> list[VideoShape]:
        return sorted({one.shape for one in self.lessons}, key=lambda shape: shape.frames)

    def _remember(self, folder: Path) -> None:
        """Note what is learned from; a run that goes on must find the same, or it would not repeat an unbroken one."""
        listed = [[one.key, one.texts] for one in self.exemplars]
        facts = {"exemplars": settings.key(listed), "num": len(listed), "weights": self.hashes}
        path = folder / "data.json"
        if path.exists() and (before := json.loads(path.read_text())) != facts:
            what = "model" if before["weights"] != self.hashes else "data"
            raise InputError(f"{folder} began with another {what}; name another folder")
        if not path.exists():  # of several processes others may be reading it
            path.write_text(json.dumps(facts, indent=1) + "\n")

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Have every part of the pipeline where it computes; afterwards the denoiser alone stays there."""
        self.pupil.pipe.to(self.place)
        try:
            yield
        finally:
            parts = self.pupil.pipe.components.values()
            for part in parts if self.place.type != "cpu" else ():
                if isinstance(part, nn.Module) and part is not self.network:
                    part.to("cpu")

    def _lessons(self, one: Exemplar, say: Callable[[str], None]) -> Iterator[Lesson]:
        """Yield the windows of an exemplar, encoded now where they never were."""
        shape = replace(self.shape, frames=1) if one.is_still else self.shape
        fps = self.found.checkpoint.native.tier.fps
        num = one.num_windows(shape.frames, fps)
        if not num:
            say(f"{one.name} is left out: it is shorter than {shape.frames} frames at {fps} fps")
        made_of = {"of": one.key, "vae": self.hashes["vae"], "shape": configs.to_dict(shape), "fps": fps}
        paths = [self._place(made_of | {"window": index}) for index in range(num)]
        if not all(path.is_file() for path in paths):
            self.pupil.call(shape)
            for path, frames in zip(paths, one.windows(shape, fps), strict=True):
                _keep(path, {"latents": self.pupil.encode(frames).half()})
        texts = tuple(f"{self.config.subject}, {text}".removeprefix(", ") for text in one.texts)
        for path in paths:
            yield Lesson(latents=path, texts=texts, weight=one.weight / num, shape=shape)

    def _tokens(self, text: str, shape: VideoShape) -> dict[str, Tensor]:
        """Return what the denoiser is told of a text, `[1 ...]` each, made now where it never was."""
        encoders = {name: digest for name, digest in self.hashes.items() if name.startswith("text_encoder")}
        path = self._place({"text": text, "by": encoders, "shape": configs.to_dict(shape), "dtype": str(self.dtype)})
        if not path.is_file():
            _keep(path, self.pupil.read(text, shape))
        return _kept(path)

    def _place(self, made_of: dict[str, Any]) -> Path:
        return Path(self.config.cache) / self.found.checkpoint.name / f"{settings.key(made_of)}.safetensors"

    def num_samples(self, step: int) -> int:
        return self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        assert self.order is not None
        _, chosen = self.order.at(step)
        some = [self.lessons[i] for i in chosen]
        loss = self._error(model, self.share.of(self._batch(some, step)), some[0].shape)
        return loss, {"loss_stills" if some[0].shape.frames == 1 else "loss_films": loss.detach()}

    def _batch(self, some: Sequence[Lesson], step: int) -> Batch:
        """Return lessons of one shape with the noise, time and text that the step draws for each."""
        c = self.config
        rng = np.random.default_rng((c.run.seed, step, 8))
        texts = [one.texts[int(rng.integers(len(one.texts)))] for one in some]
        texts = [text if rng.random() >= c.no_prompt else "" for text in texts]
        told = [self._tokens(text, some[0].shape) for text in texts]
        clean = torch.stack([_kept(one.latents)["latents"] for one in some]).float()
        random = generator(c.run.seed, step)
        noise = torch.randn(clean.shape, generator=random)
        t = torch.rand(len(some), generator=random)
        if self.pupil.noise.is_flow:
            t = flow.draw_t(len(some), random, mean=c.t_mean, deviation=c.t_deviation, shift=c.shift)
        own = {name: torch.cat([each[name] for each in told]) for name in told[0]}
        return Batch(clean=clean, noise=noise, t=t, own=own)

    def _error(self, model: nn.Module, batch: Batch, shape: VideoShape) -> Tensor:
        assert isinstance(model, adapters.Taught)
        model.into(self.network)
        clean, noise, t = (each.to(self.place) for each in batch[:3])
        return self.pupil.error(clean, noise, t, batch.own, self.pupil.call(shape).grid).mean()

    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Film the prompts, lay them out below what was filmed before, and return the loss on unchanging noise."""
        assert isinstance(model, adapters.Taught)
        model.into(self.network)
        name = f"step-{step:07d}"
        frames, captions = [], []
        for prompt, *films in zip(self._prompts, self._films(folder, BEFORE), self._films(folder, name), strict=True):
            for what, film in zip((BEFORE, f"after {step} steps"), films, strict=True):
                shown = decode.read(film).frames
                picked = [shown[index] for index in pick(len(shown), SHOWN_FRAMES)]
                frames += picked
                captions += [f"{what}: {prompt}", *[what] * (len(picked) - 1)]
        sheet = contact_sheet(frames, columns=len(picked), captions=captions)
        save_image(folder / f"{name}.png", sheet, force=True)
        return {"measured_loss": self._measured(model)}

    @torch.no_grad()
    def _measured(self, model: nn.Module) -> float:
        """Return the mean loss of the first lessons, whose noise, times and texts are the same each time."""
        some = enumerate(self.lessons[:MOST_MEASURED])
        return float(np.mean([float(self._error(model, self._batch([one], 10**6 + i), one.shape)) for i, one in some]))

    @property
    def _prompts(self) -> tuple[str, ...]:
        firsts = dict.fromkeys(one.texts[0] for one in self.lessons)
        return self.config.prompts or tuple(firsts)[:NUM_PREVIEWS]

    def _films(self, folder: Path, name: str) -> list[Path]:
        """Return a film `NAME-NUMBER` of each prompt, made now with the weights as they are where there is none."""
        frames = self.found.checkpoint.native.nearest_frames(self.config.preview_frames)
        suffix = ".mp4" if frames > 1 else ".still.png"
        films = [folder / f"{name}-{number}{suffix}" for number in range(1, len(self._prompts) + 1)]
        missing = [(seed, film) for seed, film in enumerate(films) if not film.is_file()]
        with self._together() if missing else nullcontext():
            arguments, checkpoint = self.pupil.loader.arguments, self.found.checkpoint
            maker = DiffusersMaker(self.pupil.pipe, checkpoint, self.hashes, arguments, self.dtype)
            for seed, film in missing:
                asked = self._request(self._prompts[seed], replace(self.shape, frames=frames), seed)
                made = maker.generate(asked, _silent)
                encode(film, made, fps=asked.fps, shape=asked.shape, request=maker.record(asked))
        return films

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        """Write what `rushes film` takes: `--lora FILE` the adapter, `--model FOLDER` whole weights."""
        assert isinstance(model, adapters.Taught)
        c, checkpoint = self.config, self.found.checkpoint
        facts = facts | {"model": checkpoint.name, "exemplars": len(self.exemplars)}
        if c.lora.rank:
            base, path = self.hashes[checkpoint.denoiser], folder / "adapter.safetensors"
            return adapters.save(model, path, c.lora, denoiser=checkpoint.denoiser, base=base, facts=facts)
        model.into(self.network)
        self.network.to(self.dtype)
        draft = folder.with_name(f".{folder.name}")
        shutil.rmtree(draft, ignore_errors=True)
        self.pupil.pipe.save_pretrained(draft)
        (draft / "training.json").write_text(json.dumps(facts | {"base": self.hashes}, indent=1) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        return draft.rename(folder)


def _keep(path: Path, tensors: dict[str, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as draft:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, draft)


def _kept(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} is damaged ({error}); delete it, and it is made again") from None


def _silent(*said: object) -> None:
    """Nobody listens."""
