"""Baselines: other recipes' networks in our model's place, taught by the same objective on the same banks.

The networks are diffusers' own classes, one recipe a file, imported by name: a config needs no diffusers.

b films, c channels, t h w latent grid, m text tokens, e text width
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from rushes import registry
from rushes.config import from_dict
from rushes.errors import InputError, WeightsError
from rushes.generate import Generator
from rushes.media.thumbnails import contact_sheet, save_image
from rushes.models.autoencoder import ENCODED_FPS, LATENT_FPS, Autoencoder
from rushes.models.text import TextConfig, TextEncoder, Vocabulary
from rushes.models.transformer import Crop, Lead, Transformer
from rushes.nn import machine, weights
from rushes.nn.attention import timestep_features
from rushes.train import ceiling
from rushes.train.film import FilmConfig, FilmObjective
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.trainer import RunConfig
from rushes.types import GenerationRequest, VideoShape
from rushes.world.captions import words

NUM_PREVIEWS, PREVIEW_STEPS, PREVIEW_SHAPE = 4, 12, VideoShape(frames=8, height=384, width=672)
HELD_OUT_STEP, HELD_OUT_BATCH = 10**6, 16  # as our own model's held-out loss draws them
WAVES = 64  # features of a second


@dataclass(frozen=True, slots=True, kw_only=True)
class InflatedConfig:
    """An image model with temporal layers put in; `stage` is image, where there are none yet, or film.

    `widths` are the channels from the whole grid down, `layers` the blocks at each, `groups` those of the norms.
    """

    channels: int = 160
    widths: tuple[int, ...] = (96, 144)
    layers: int = 1
    heads: int = 4
    groups: int = 16
    stage: Literal["image", "film"] = "image"
    text: TextConfig = field(default_factory=TextConfig)

    family = "inflated"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorisedConfig:
    """`depth` pairs of a spatial and a temporal block; `patch_frames` latent frames share one token."""

    channels: int = 160
    patch_frames: int = 2
    width: int = 264
    depth: int = 3
    heads: int = 3
    text: TextConfig = field(default_factory=TextConfig)

    family = "factorised"


NetworkConfig = InflatedConfig | FactorisedConfig
CONFIGS: dict[str, type] = {config.family: config for config in (InflatedConfig, FactorisedConfig)}


class Told(NamedTuple):
    """What no step changes: `times [steps b]` at which a baseline can be asked, `text [b m e]` as it reads it."""

    times: Tensor
    text: Tensor


class Baseline(nn.Module):
    """What the objective and the generator ask of a film model, around another's network.

    Text encoder, guidance by an empty prompt and prediction of the clean latent are as in `rushes.models.transformer`;
    a window's start and duration, in seconds, reach the network as one more text token.
    """

    smallest_t = Transformer.smallest_t

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = Vocabulary(config.text.words, config.text.length)
        self.text = TextEncoder(config.text)
        self.window = nn.Linear(2 * WAVES, config.text.width)

    @property
    def out(self) -> nn.Module:
        """The last layer: where it lies and its dtype are the model's."""
        raise NotImplementedError

    def start(self, folder: Path) -> None:
        """Begin a training at the weights in `folder`. Raises: WeightsError."""
        weights.load(self, folder, family=self.config.family)
        self.learn()

    def learn(self) -> None:
        """Let all that the recipe trains be trained."""
        self.train().requires_grad_(True)

    def read(self, ids: Tensor) -> Tensor:
        """Encode word ids `[b m]` once for all steps: text tokens `[b m e]`."""
        return self.text(ids)

    def clean(self, latent: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """Predict the clean latent `[b c t h w]` from a noised one; `t [b]` in 0..1000, `text [b m e]`."""
        raise NotImplementedError

    def ready(
        self,
        grid: tuple[int, int, int],
        prompt: Tensor,
        times: Tensor,
        seconds: tuple[Tensor, Tensor],
        crop: Crop | None = None,
    ) -> Told:
        """Compute what no step changes; `times [steps b]`, `seconds` = (start, duration) `[b]`."""
        assert crop is None, "a baseline knows no windows"
        told = torch.cat([timestep_features(each, WAVES, 1.0) for each in seconds], dim=-1).to(prompt.dtype)
        return Told(times, torch.cat((prompt, self.window(told)[:, None]), dim=1))

    def led(self, ready: Told, lead: Lead) -> Told:
        """Return the same: these recipes can't be led, and what is said of that goes unheard."""
        return ready

    @staticmethod
    def together(several: Sequence[Told]) -> Told:
        """Return what is ready for films of the same times as one batch."""
        times, texts = zip(*several, strict=True)
        return Told(torch.cat(times, dim=1), torch.cat(texts))

    def velocity(self, latent: Tensor, ready: Told, step: int = 0) -> Tensor:
        """Return the velocity `noise - clean` `[b c t h w]` at `ready.times[step]`; one latent is that of all films."""
        t, text = ready.times[step], ready.text
        films = latent.to(text.dtype).expand(len(text), -1, -1, -1, -1)
        predicted = self.clean(films, t * 1000, text).to(latent.dtype)
        return (latent - predicted) / t.clamp(min=self.smallest_t).view(-1, 1, 1, 1, 1).to(latent.dtype)

    def forward(
        self,
        latent: Tensor,
        t: Tensor,
        prompt: Tensor,
        seconds: tuple[Tensor, Tensor],
        crop: Crop | None = None,
        lead: Lead | None = None,
    ) -> Tensor:
        """Return the velocity `[b c t h w]` at `t [b]` in (0, 1]: a step on its own, as training takes it."""
        _, _, frames, h, w = latent.shape
        return self.velocity(latent, self.ready((frames, h, w), prompt, t[None], seconds, crop))


def build(config: NetworkConfig) -> Baseline:
    """Return a freshly initialised baseline. Raises: InputError where diffusers is not installed."""
    try:
        make = registry.find("train.baselines", config.family)
    except ModuleNotFoundError as error:
        raise InputError(f"baselines are built of diffusers' classes ({error}); pip install diffusers") from None
    return make(config)


def load(folder: Path, family: str) -> Baseline:
    """Return the shipped baseline in `folder`. Raises: WeightsError; InputError where diffusers is not installed."""
    config: NetworkConfig = from_dict(CONFIGS[family], weights.read_config(folder, family=family)["config"])
    model = build(config)
    weights.load(model, folder, family=family)
    return model


def generator(
    model: nn.Module, autoencoder: Path, sha256: str = "", *, device: str = machine.AUTO, dtype: str = "float32"
) -> Generator:
    """Return the one way from a request to frames, with a baseline in our model's place; `sha256` is its weights'."""
    place = machine.device(device)
    hashes = {"autoencoder": weights.read_config(autoencoder, family="autoencoder")["sha256"], "film": sha256}
    painter = Autoencoder.from_pretrained(autoencoder).to(place)
    return Generator(painter, cast(Transformer, model.to(place, machine.dtype(dtype, place))), hashes)


def opened(folder: Path, *, device: str = machine.AUTO, dtype: str = machine.AUTO) -> Generator:
    """Load `folder`/autoencoder and `folder`/film as `Generator.load` does, where `film` may be a baseline as well.

    Raises:
        InputError: no such device or dtype; a baseline, and diffusers is not installed.
        WeightsError: weights that are missing, damaged or foreign.
    """
    film = folder / "film"
    for family in CONFIGS:
        with contextlib.suppress(WeightsError):
            digest = weights.read_config(film, family=family)["sha256"]
            break
    else:
        return Generator.load(folder, device=device, dtype=dtype)
    machine.keep_memory()
    return generator(load(film, family), folder / "autoencoder", digest, device=device, dtype=dtype)


def step_flops(model: nn.Module, film: FilmConfig) -> float:
    """Return the FLOPs of a training step, the mean over the buckets' shares, as torch counts its operations.

    They are counted on a copy without storage, so nothing is computed; what is frozen needs no gradient of its own.
    """
    place, shares = torch.device("meta"), sum(bucket.share for bucket in film.buckets)
    ghost, total = copy.deepcopy(model).to(place), 0.0
    for bucket in film.buckets:
        shape = (bucket.batch, film.model.channels, bucket.seconds * LATENT_FPS, bucket.rows, bucket.columns)
        latent, each = torch.empty(shape, device=place), torch.empty(bucket.batch, device=place)
        ids = torch.empty(bucket.batch, film.model.text.length, dtype=torch.long, device=place)
        total += ceiling.count(functools.partial(_step, ghost, latent, each, ids))[0] * bucket.share / shares
    return total


def _step(model: nn.Module, latent: Tensor, each: Tensor, ids: Tensor) -> None:
    model(latent, each, model.read(ids), (each, each)).sum().backward()  # type: ignore[operator]


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineConfig:
    """`film` says what is learned from and how, as for our own model; `model` is what learns in its place."""

    film: FilmConfig
    model: InflatedConfig | FactorisedConfig

    @property
    def run(self) -> RunConfig:
        return self.film.run

    @property
    def optimizer(self) -> OptimizerConfig:
        return self.film.optimizer

    def objective(self) -> BaselineObjective:
        return BaselineObjective(self)


class BaselineObjective:
    """The film objective itself, films, noise and times included, asked about another model."""

    def __init__(self, config: BaselineConfig) -> None:
        run = config.run
        if any(any(bucket.crop) for bucket in config.film.buckets):
            raise InputError("a baseline learns from whole films: the one legal crop of a bucket is (0, 0)")
        if getattr(config.model, "stage", "") == "film" and not run.init:
            raise InputError("stage film starts from an image model; name its weights by film.run.init")
        self.config = config
        self.ours = FilmObjective(replace(config.film, run=replace(run, init="")))
        text = replace(config.model.text, words=tuple(sorted(words())))
        model = build(replace(config.model, text=text))
        if run.init:
            model.start(Path(run.init))
        self.model: nn.Module = model

    @property
    def share(self) -> Share:
        """Return the part of each batch that a step is about; the film objective takes it."""
        return self.ours.share

    @share.setter
    def share(self, share: Share) -> None:
        self.ours.share = share

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Build or open the banks of the film objective."""
        self.ours.prepare(folder, say)

    def num_samples(self, step: int) -> int:
        return self.ours.num_samples(step)

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.ours.loss(model, step)

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Film held-out prompts, lay their middles out, and return the held-out loss, drawn as our own model's is."""
        films = self.ours.held_out
        assert films is not None and isinstance(model, Baseline)
        starts = range(0, len(films), HELD_OUT_BATCH)
        some = [(np.arange(i, min(i + HELD_OUT_BATCH, len(films))), HELD_OUT_STEP + i) for i in starts]
        losses = [float(self.ours._error(model, self.ours._noised(films, *each, (0, 0)))) for each in some]
        texts = [films.bank.values[i]["captions"][0] for i in range(NUM_PREVIEWS)]
        make = generator(model, Path(self.config.film.autoencoder))
        asked = [_request(text, seed) for seed, text in enumerate(texts)]
        frames = [make.preview(make.latent(request)) for request in asked]
        save_image(folder / f"step-{step:07d}.png", contact_sheet(frames, columns=4, captions=texts), force=True)
        return {"held_out_loss": float(np.mean(losses))}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        """Write the weights; `flops` among the facts are those of all their training, an image model's included."""
        family, run = self.config.model.family, self.config.run
        before = weights.read_config(Path(run.init), family=family)["facts"]["flops"] if run.init else 0.0
        spent = before + run.steps * step_flops(self.model, self.config.film)
        assert isinstance(model, Baseline)
        return weights.save(model, folder, family=family, config=model.config, facts=facts | {"flops": spent})


def _request(prompt: str, seed: int) -> GenerationRequest:
    return GenerationRequest(
        prompt=prompt, seed=seed, shape=PREVIEW_SHAPE, fps=ENCODED_FPS, num_steps=PREVIEW_STEPS, guidance_scale=3.0
    )
