"""Teach a film model what was preferred: of two films of one prompt, the chosen one becomes likelier, the other less.

b pairs of a batch, c channels, t h w latent grid, m text tokens
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes.data import settings
from rushes.data.loader import Order
from rushes.diffusion import flow
from rushes.errors import InputError
from rushes.evaluate import pairs
from rushes.models.autoencoder import LATENT_FPS
from rushes.models.transformer import Lead, Transformer
from rushes.nn import weights
from rushes.train._judged import Films, Lesson, led
from rushes.train.film import SMALLEST_T
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.trainer import Objective, RunConfig, generator

NUM_DRAWS = 4  # of noise and time, per pair whose accuracy is measured
MOST_MEASURED, AT_ONCE = 128, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceConfig:
    """`data` is a blind set's folder or a studio's set; `run.init` names the weights to start from and to stay near.

    `judges` says whose votes count; `films` are the weights that make a studio's films again; `beta` is how strongly
    a preference pulls against those first weights; films longer than `seconds` are cut to windows; `held_out` is the
    share of the pairs, whole prompts, that is never trained on.
    """

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    data: str = ""
    judges: Literal["all", "people", "oracle"] = "all"
    films: str = "weights"
    autoencoder: str = "weights/autoencoder"
    beta: float = 1000.0
    batch: int = 8
    seconds: int = 3
    held_out: float = 0.1
    t_mean: float = 0.3
    t_deviation: float = 1.2
    shift: float = 2.0

    def __post_init__(self) -> None:
        for name in ("batch", "seconds"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} is illegal; the nearest legal value is 1")
        if not 0 <= self.held_out < 1:
            raise InputError(f"held_out {self.held_out} is illegal; it must be at least 0 and less than 1")

    def objective(self) -> Objective:
        return PreferenceObjective(self)


class Batch(NamedTuple):
    """Latents of pairs, chosen first, `[b 2 c t h w]`, their noise `[b c t h w]` and time `[b]`.

    Then word ids `[b m]`, (start, duration) in seconds, `[b]` each, and what led the films, `[b 2 ...]` each, if known.
    """

    clean: Tensor
    noise: Tensor
    t: Tensor
    ids: Tensor
    seconds: tuple[Tensor, Tensor]
    lead: Lead | None


class PreferenceObjective:
    """One step is one batch of pairs of one grid and length; both films of a pair get the same noise and time."""

    def __init__(self, config: PreferenceConfig) -> None:
        self.config = config
        if not config.data:
            raise InputError("there is nothing to learn from; name votes, for instance data=FOLDER of an arena")
        if not config.run.init:
            raise InputError("preferences need weights that they change; name them, for instance run.init=weights/film")
        apart = pairs.by_judge(pairs.opened([config.data]))
        judged = [one for judge, some in apart.items() if config.judges in ("all", judge) for one in some]
        self.pairs = pairs.ranked(judged)
        if not self.pairs:
            raise InputError(f"{config.data} has no pair that {config.judges} preferred one film of; collect votes")
        self.fingerprint = pairs.fingerprint(config.data)
        self.model: nn.Module = Transformer.from_pretrained(Path(config.run.init)).train()
        self.model.requires_grad_(True)
        self.share = Share()
        self.references: dict[torch.dtype, Transformer] = {}
        self.train: list[Lesson] = []
        self.held_out: list[Lesson] = []
        self.order: Order | None = None

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Make the films' latents, or open those that the run has, and part held-out prompts from the others."""
        c = self.config
        wanted = weights.read_config(Path(c.autoencoder), family="autoencoder")["config"]["channels"]
        assert isinstance(self.model, Transformer)
        if wanted != self.model.config.channels:
            raise InputError(
                f"the model has {self.model.config.channels} latent channels, {c.autoencoder} has {wanted}"
            )
        self._remember(folder)
        places = {"autoencoder": c.autoencoder, "maker": c.films, "film": c.run.init}
        films = Films(folder / "latents", **{name: Path(place) for name, place in places.items()})
        lessons = []
        for done, pair in enumerate(self.pairs, start=1):
            lesson = films.lesson(pair, say)
            lessons += [lesson] if lesson else []
            if done % 50 == 0 or done == len(self.pairs):
                say(f"latents: {done} of {len(self.pairs)} pairs")
        if not lessons:
            raise InputError(f"none of the {len(self.pairs)} pairs of {c.data} can be read")
        self.train, self.held_out = part(lessons, c.held_out)
        say(f"{len(self.train)} pairs to learn, {len(self.held_out)} held out")
        buckets = _buckets(self.train, c.seconds).values()
        members = tuple(np.array(some, np.int64) for some in buckets)
        totals = tuple(np.cumsum([self.train[i].pair.weight for i in some]) for some in buckets)
        self.order = Order(members, totals, c.batch, c.run.seed)

    def facts(self) -> dict[str, Any]:
        """Return what is learned from, as the run and the weights record it."""
        listed = [[one.pair, one.prompt, one.chosen.name, one.rejected.name, one.weight] for one in self.pairs]
        set_facts = {"place": self.config.data, "sha256": self.fingerprint, "judges": self.config.judges}
        return {"set": set_facts, "pairs": len(listed), "lessons": settings.key(listed)}

    def _remember(self, folder: Path) -> None:
        """Note what is learned from; a run that goes on must find the same, or it would not repeat an unbroken one."""
        path, facts = folder / "data.json", self.facts()
        if path.exists() and (before := json.loads(path.read_text())) != facts:
            grown = f"had {before['pairs']} pairs when {folder} began and is now another, with {len(self.pairs)}"
            raise InputError(f"{self.config.data} {grown}; name another folder")
        if not path.exists():  # of several processes others may be reading it
            path.write_text(json.dumps(facts, indent=1) + "\n")

    def num_samples(self, step: int) -> int:
        return 2 * self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        assert self.order is not None
        _, chosen = self.order.at(step)
        drawn = self._drawn([self.train[i] for i in chosen], step, next(model.parameters()).device)
        margin, change = self._margin(model, self.share.of(drawn))
        loss = -F.logsigmoid(self.config.beta * margin).mean()
        scalars = {"batch_accuracy": _accuracy(margin.detach()), "margin": margin.detach().mean()}
        return loss, scalars | {"chosen_change": change.detach().mean()}

    def _drawn(self, some: Sequence[Lesson], step: int, place: torch.device) -> Batch:
        """Return pairs of one grid, each cut to a window; what is drawn follows from (seed, step)."""
        c = self.config
        rng = np.random.default_rng((c.run.seed, step, 8))
        num = min(some[0].frames, c.seconds * LATENT_FPS)
        first = [int(rng.integers(0, one.frames - num + 1)) for one in some]
        taken = [
            np.stack([np.load(path, mmap_mode="r")[:, start : start + num] for path in one.files])
            for one, start in zip(some, first, strict=True)
        ]
        clean = torch.from_numpy(np.stack(taken)).to(place).float()
        random = generator(c.run.seed, step, device=place)
        noise = torch.randn(clean[:, 0].shape, generator=random, device=place)
        t = flow.draw_t(len(some), random, mean=c.t_mean, deviation=c.t_deviation, shift=c.shift)
        ids = torch.tensor([self.vocabulary.encode(one.pair.prompt) for one in some], device=place)
        at = (torch.tensor(first) / LATENT_FPS, torch.tensor([one.frames / LATENT_FPS for one in some]))
        lead = led(some, first, num)
        if lead is not None:
            lead = Lead(*(None if x is None else x.to(place).unflatten(0, (2, -1)).transpose(0, 1) for x in lead))  # type: ignore[arg-type]
        return Batch(clean=clean, noise=noise, t=t, ids=ids, seconds=(at[0].to(place), at[1].to(place)), lead=lead)

    def _margin(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return by how much more the model improved on the chosen films than on the others, and on the chosen, `[b]`.

        An improvement is the frozen first model's squared error less this one's, at one noise and time for both films.
        Source: Diffusion-DPO (arXiv 2311.12908) eq. 14, whose argument of the sigmoid is beta times this margin; the
        velocity in place of the noise, and beta the same at all times: Flow-DPO (arXiv 2501.13918). The weight of the
        times is that of our own loss (`rushes.train.film.denoising`).
        """
        clean = batch.clean.transpose(0, 1).flatten(0, 1)  # all chosen ones, then all others
        noise, t, ids = batch.noise.repeat(2, 1, 1, 1, 1), batch.t.repeat(2), batch.ids.repeat(2, 1)
        seconds = (batch.seconds[0].repeat(2), batch.seconds[1].repeat(2))
        lead = batch.lead
        if lead is not None:
            lead = Lead(*(None if x is None else x.transpose(0, 1).flatten(0, 1) for x in lead))  # type: ignore[arg-type]

        def errors(film: nn.Module) -> Tensor:
            prompt, safe = film.read(ids), t.clamp(min=SMALLEST_T)  # type: ignore[operator]
            found = flow.loss(
                lambda x, t: film(x, t, prompt, seconds, None, lead), clean, noise, safe, torch.ones_like(clean[:, :1])
            )
            return found * safe.square() / (t.square() + 0.09)

        with torch.no_grad():
            before = errors(self._reference(model))
        better = before - errors(model)
        chosen, rejected = better.chunk(2)
        return chosen - rejected, chosen

    @property
    def vocabulary(self) -> Any:
        """Return the words that the model reads."""
        assert isinstance(self.model, Transformer)
        return self.model.vocabulary

    def _reference(self, model: nn.Module) -> Transformer:
        """Return the first weights, frozen, computing as `model` does: where nothing was learned, nothing differs."""
        like = next(model.parameters())
        if like.dtype not in self.references:
            reference = Transformer.from_pretrained(Path(self.config.run.init)).requires_grad_(False)
            for parameter in reference.parameters():  # buffers stay exact, as in the copy that is trained
                parameter.data = parameter.data.to(like.dtype)
            self.references[like.dtype] = reference
        return self.references[like.dtype].to(like.device)

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Return the share of pairs whose chosen film the model has come to favour; the margins go into a file."""
        figures, told = {}, {}
        for name, some in (("pair_accuracy", self.train), ("held_out_pair_accuracy", self.held_out)):
            some = some[:MOST_MEASURED]
            if some:
                margins = self._margins(model, some)
                figures[name] = float(_accuracy(margins))
                told[name] = {one.pair.pair: round(float(m), 7) for one, m in zip(some, margins, strict=True)}
        (folder / f"step-{step:07d}.json").write_text(json.dumps(told, indent=1) + "\n")
        return figures

    def _margins(self, model: nn.Module, some: Sequence[Lesson]) -> Tensor:
        """Return each pair's margin, the mean of some draws that are the same in every preview."""
        margins = torch.zeros(len(some))
        for members in _buckets(some, self.config.seconds).values():
            for start in range(0, len(members), AT_ONCE):
                few = members[start : start + AT_ONCE]
                place, first = next(model.parameters()).device, 10**6 + NUM_DRAWS * few[0]
                drawn = [self._drawn([some[i] for i in few], first + draw, place) for draw in range(NUM_DRAWS)]
                found = [self._margin(model, batch)[0] for batch in drawn]
                margins[few] = torch.stack(found).mean(0).float().cpu()
        return margins

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        """Write weights as `rushes film --weights FOLDER` takes them; their facts name the set and its digest."""
        assert isinstance(model, Transformer)
        film, before = folder / "film", Path(self.config.run.init)
        weights.save(model, film, family="transformer", config=model.config, facts=facts | self.facts())
        if (before / "synonyms.json").is_file():
            shutil.copyfile(before / "synonyms.json", film / "synonyms.json")
        leads = {
            name: before.parent / name for name in ("layout", "cutout", "backdrop")
        }  # what the film model is led by
        beside = {"autoencoder": Path(self.config.autoencoder)} | leads
        for what, place in beside.items():
            if what == "autoencoder" or place.is_dir():
                (folder / what).mkdir(exist_ok=True)
                for name in (weights.CONFIG, weights.FILE):
                    shutil.copyfile(place / name, folder / what / name)
        return folder


def _accuracy(margin: Tensor) -> Tensor:
    """Return the share of margins above 0; those of exactly 0, where nothing was learned, count half."""
    return ((margin.sign() + 1) / 2).mean()


def _buckets(lessons: Sequence[Lesson], seconds: int) -> dict[tuple[Any, ...], list[int]]:
    """Return which lessons can share a batch: those of one grid and window."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for i, one in enumerate(lessons):
        found.setdefault((*one.grid, min(one.frames, seconds * LATENT_FPS)), []).append(i)
    return found


def part(lessons: Sequence[Lesson], share: float) -> tuple[list[Lesson], list[Lesson]]:
    """Return (to learn, held out): whole prompts go, in the order of their hashes, until `share` of the pairs has gone.

    The last prompt stays.
    """
    prompts = sorted({one.pair.prompt for one in lessons}, key=lambda prompt: settings.key(["held out", prompt]))
    gone = set[str]()
    for prompt in prompts[:-1]:
        if sum(one.pair.prompt in gone for one in lessons) >= share * len(lessons):
            break
        gone.add(prompt)
    train = [one for one in lessons if one.pair.prompt not in gone]
    return train, [one for one in lessons if one.pair.prompt in gone]
