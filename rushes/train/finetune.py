"""Teach a film model the clips of a curated dataset: all of its weights, or a small adapter beside them.

b clips of a batch, c channels, t h w latent grid, m text tokens
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from rushes.data import settings
from rushes.data.banks.latents import LatentConfig, Latents, build, nearest_grid
from rushes.data.buckets import BucketConfig
from rushes.data.captioning import captions as captions_of
from rushes.data.dataset import Dataset
from rushes.data.loader import Order, read_frames
from rushes.data.workers.pool import LocalRunner
from rushes.diffusion import flow
from rushes.errors import InputError
from rushes.models.autoencoder import ENCODED_FPS, LATENT_FPS, Autoencoder
from rushes.models.text import NULL, Vocabulary
from rushes.models.transformer import Transformer, TransformerConfig
from rushes.nn import lora, weights
from rushes.nn.lora import LoraConfig
from rushes.train import compare
from rushes.train.compare import Question
from rushes.train.film import denoising
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.trainer import Objective, RunConfig, generator

GRIDS = ((9, 16), (16, 9), (12, 12), (8, 19), (19, 8), (10, 15), (15, 10))  # rows, columns: those that films can have
NUM_PREVIEWS = 6
HELD_OUT_AT_ONCE, MOST_HELD_OUT = 8, 128
SILENT_S, MEMORY_MB = 300.0, 4096
WORDS_SHOWN = 12
SHEET = "before-after.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig:
    """Windows of whole `seconds` that clips are cut to: `share` of the steps, `batch` clips a step."""

    seconds: int
    batch: int
    share: float = 1.0

    def __post_init__(self) -> None:
        for name in ("seconds", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"a window's {name} {getattr(self, name)} is illegal; the nearest legal value is 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """`data` is a dataset's folder or address; `run.init` names the weights to start from, empty starts from nothing.

    `captions` is the stage whose text columns `caption_columns` are read; an empty `caption_version` takes the newest
    one that has every kept clip. Each clip falls into the nearest of `grids` (rows, columns). `held_out` is the share
    of the clips that is never trained on, whole sources where there are several.
    """

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    model: TransformerConfig = field(default_factory=TransformerConfig)
    data: str = ""
    autoencoder: str = "weights/autoencoder"
    grids: tuple[tuple[int, int], ...] = GRIDS
    windows: tuple[WindowConfig, ...] = (WindowConfig(seconds=1, batch=24),)
    captions: str = "caption"
    caption_version: str = ""
    caption_columns: tuple[str, ...] = ("short", "medium")
    held_out: float = 0.05
    is_weighted: bool = True
    no_prompt: float = 0.1
    t_mean: float = 0.3
    t_deviation: float = 1.2
    shift: float = 2.0
    workers: int = 2

    def objective(self) -> Objective:
        return FinetuneObjective(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """A clip that can be learned: its texts, its weight in the draw, its grid and how many latent frames it has."""

    clip_id: str
    source: str
    texts: tuple[str, ...]
    weight: float
    grid: tuple[int, int]
    frames: int = 0

    @property
    def seconds(self) -> int:
        """Return its whole seconds."""
        return self.frames // LATENT_FPS


class Batch(NamedTuple):
    """Latents and noise `[b c t h w]`, times `[b]`, word ids `[b m]`, and (start, duration) in seconds, `[b]` each."""

    clean: Tensor
    noise: Tensor
    t: Tensor
    ids: Tensor
    seconds: tuple[Tensor, Tensor]


class FinetuneObjective:
    """One step is one batch of windows of one length and grid; which, and of which clips, follows from (seed, step)."""

    def __init__(self, config: FinetuneConfig) -> None:
        self.config = config
        if not config.data:
            raise InputError("there is nothing to learn from; name a dataset, for instance data=DATASET")
        self.data = Dataset.open(config.data)
        self.lessons, self.version = lessons_of(self.data, config)
        self.model: nn.Module = self._start()
        self.base: Transformer | None = None
        self.latents: dict[tuple[int, int], Latents] = {}
        self.held_out: list[Lesson] = []
        self.share = Share()
        self.orders: list[tuple[list[Lesson], Order]] = []
        self.made_before: list[np.ndarray] = []

    def _start(self) -> Transformer:
        """Return the model to train: the weights in `run.init`, else one whose vocabulary is the captions' own."""
        c = self.config
        if c.run.init:
            model = Transformer.from_pretrained(Path(c.run.init)).train()
            model.requires_grad_(True)
            if c.lora.rank:
                lora.attach(model, c.lora)
            return model
        if c.lora.rank:
            raise InputError("an adapter needs weights that it adapts; name them, for instance run.init=weights/film")
        text = replace(c.model.text, words=vocabulary_of(self.lessons))
        return Transformer(replace(c.model, text=text))

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Make or open the latents, part held-out clips from the others, and say what is missing."""
        c = self.config
        model = self.model
        assert isinstance(model, Transformer)
        wanted = weights.read_config(Path(c.autoencoder), family="autoencoder")["config"]["channels"]
        if wanted != model.config.channels:
            raise InputError(f"the model has {model.config.channels} latent channels, {c.autoencoder} has {wanted}")
        self._remember(folder)
        self._report_words(folder, say)
        self.latents = self._encode(say)
        usable = [replace(one, frames=self.latents[one.grid].frames(one.clip_id)) for one in self.lessons]
        longest = min(window.seconds for window in c.windows)
        short = [one for one in usable if one.seconds < longest]
        if short:
            say(f"{len(short)} clips are left out: unreadable, or shorter than the shortest window, {longest} s")
        train, self.held_out = part([one for one in usable if one.seconds >= longest], c.held_out)
        if not train:
            raise InputError(
                f"none of the {len(self.lessons)} kept clips with captions lasts {longest} s; train on others"
            )
        say(f"{len(train)} clips to learn, {len(self.held_out)} held out, captions {c.captions}@{self.version}")
        self.orders = [self._order(train, index) for index in range(len(c.windows))]
        if c.run.init:
            self.base = Transformer.from_pretrained(Path(c.run.init))

    @property
    def vocabulary(self) -> Vocabulary:
        """Return the words that the model reads."""
        assert isinstance(self.model, Transformer)
        return self.model.vocabulary

    def _remember(self, folder: Path) -> None:
        """Note what is learned from; a run that goes on must find the same, or it would not repeat an unbroken one."""
        listed = [[one.clip_id, one.texts, one.weight, one.grid] for one in self.lessons]
        facts = {
            "lessons": settings.key(listed),
            "num": len(listed),
            "captions": f"{self.config.captions}@{self.version}",
        }
        path = folder / "data.json"
        if path.exists() and json.loads(path.read_text()) != facts:
            before = json.loads(path.read_text())["num"]
            grown = f"had {before} clips to learn when {folder} began and is now another, with {len(listed)}"
            raise InputError(f"the dataset {self.config.data} {grown}; name another folder")
        if not path.exists():  # of several processes others may be reading it
            path.write_text(json.dumps(facts, indent=1) + "\n")

    def _report_words(self, folder: Path, say: Callable[[str], None]) -> None:
        """Name the words of captions that the model was never taught, how often each occurs, and captions too long."""
        known = self.vocabulary
        texts = [text for one in self.lessons for text in one.texts]
        counts = Counter(word for text in texts for word in known.split(text) if word not in known.ids)
        overlong = sum(bool(known.overflow(text)) for text in texts)
        ordered = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        (folder / "words.json").write_text(json.dumps(ordered, indent=0) + "\n")
        if ordered:
            shown = ", ".join(f"{word} {num}" for word, num in list(ordered.items())[:WORDS_SHOWN])
            rest = f" and {len(ordered) - WORDS_SHOWN} more in words.json" if len(ordered) > WORDS_SHOWN else ""
            say(f"words of captions that the model was never taught, with counts: {shown}{rest}")
        if overlong:
            say(f"{overlong} of {len(texts)} captions have more than the {known.length} words that the model reads")

    def _encode(self, say: Callable[[str], None]) -> dict[tuple[int, int], Latents]:
        c = self.config
        clips: dict[LatentConfig, list[str]] = {}
        for one in self.lessons:
            rows, columns = one.grid
            clips.setdefault(LatentConfig(autoencoder=c.autoencoder, rows=rows, columns=columns), []).append(
                one.clip_id
            )

        def watch(done: int, wanted: int) -> None:
            say(f"latents: {done} of {wanted} clips")

        if c.workers > 1:
            with LocalRunner(c.workers, silent_s=SILENT_S, memory_mb=MEMORY_MB) as runner:
                found = build(c.data, clips, runner, watch)
        else:
            found = build(c.data, clips, None, watch)
        self.data = Dataset.open(c.data)
        return {(config.rows, config.columns): latents for config, latents in found.items()}

    def _order(self, train: list[Lesson], index: int) -> tuple[list[Lesson], Order]:
        """Return the clips of a window and the order in which they come: a bucket for each grid."""
        window = self.config.windows[index]
        fitting = [one for one in train if one.seconds >= window.seconds]
        if not fitting:
            raise InputError(f"no clip lasts the {window.seconds} s of a window; leave it out")
        of_grid = {grid: [i for i, one in enumerate(fitting) if one.grid == grid] for grid in self.config.grids}
        members = tuple(np.array(some, np.int64) for some in of_grid.values())
        weight = np.array([one.weight if self.config.is_weighted else 1.0 for one in fitting])
        totals = tuple(np.cumsum(weight[some]) for some in members)
        return fitting, Order(members, totals, window.batch, self.config.run.seed + index)

    def _window(self, step: int) -> int:
        shares = np.array([window.share for window in self.config.windows])
        return int(np.random.default_rng((self.config.run.seed, step, 7)).choice(len(shares), p=shares / shares.sum()))

    def num_samples(self, step: int) -> int:
        return self.config.windows[self._window(step)].batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        which = self._window(step)
        fitting, order = self.orders[which]
        _, chosen = order.at(step)
        window = self.config.windows[which]
        drawn = self._drawn([fitting[i] for i in chosen], window.seconds, step, next(model.parameters()).device)
        loss = self._loss(model, self.share.of(drawn))
        return loss, {f"loss_{window.seconds}s": loss.detach()}

    def _drawn(self, some: Sequence[Lesson], seconds: int, step: int, place: torch.device) -> Batch:
        """Return clips of one grid, each cut to a window; what is drawn follows from (seed, step)."""
        c = self.config
        rng = np.random.default_rng((c.run.seed, step, 8))
        num = seconds * LATENT_FPS
        first = [int(rng.integers(0, one.frames - num + 1)) for one in some]
        texts = [one.texts[int(rng.integers(len(one.texts)))] for one in some]
        keep = rng.random(len(some)) >= c.no_prompt
        latents = self.latents[some[0].grid]
        taken = np.stack([latents.take(one.clip_id, start, num) for one, start in zip(some, first, strict=True)])
        clean = torch.from_numpy(taken).to(place).float()
        ids = torch.tensor([self.vocabulary.encode(text) for text in texts])
        ids = torch.where(torch.from_numpy(keep)[:, None], ids, NULL).to(place)
        at = (torch.tensor(first) / LATENT_FPS, torch.tensor([one.frames / LATENT_FPS for one in some]))
        at = (at[0].to(place), at[1].to(place))
        random = generator(c.run.seed, step, device=clean.device)
        noise = torch.randn(clean.shape, generator=random, device=clean.device)
        t = flow.draw_t(len(clean), random, mean=c.t_mean, deviation=c.t_deviation, shift=c.shift)
        return Batch(clean=clean, noise=noise, t=t, ids=ids, seconds=at)

    def _loss(self, model: nn.Module, batch: Batch) -> Tensor:
        prompt = model.read(batch.ids)  # type: ignore[operator]

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            return model(x, t, prompt, batch.seconds)

        return denoising(velocity, batch.clean, batch.noise, batch.t, torch.ones_like(batch.clean[:, :1]))

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Film held-out captions with the base weights and these, side by side; return both held-out losses."""
        assert isinstance(model, Transformer)
        model, figures = self._plain(model.cpu()), {}
        if self.held_out:
            figures["held_out_loss"] = self._held_out_loss(model)
        if self.held_out and self.base is not None:
            figures["held_out_loss_before"] = self._held_out_loss(self.base)
        shown = (self.held_out or self.orders[0][0])[:NUM_PREVIEWS]
        questions = [self._question(one) for one in shown]
        autoencoder = Autoencoder.from_pretrained(Path(self.config.autoencoder))
        films = []
        for name, filmed in (("before", self.base), ("after", model)):
            if filmed is None:
                continue
            if name == "before" and self.made_before:
                films.append((name, self.made_before))
                continue
            latents = [compare.answer(filmed, question, i) for i, question in enumerate(questions)]
            made = [compare.paint(autoencoder, latent) for latent in latents]
            self.made_before = made if name == "before" else self.made_before
            films.append((name, made))
        last = step == self.config.run.steps
        compare.write_sheet(folder / (SHEET if last else f"step-{step:07d}.png"), questions, films)
        (folder / "prompts.txt").write_text("".join(f"{question.prompt}\n" for question in questions))
        return figures

    def _plain(self, model: Transformer) -> Transformer:
        """Return the model as `rushes film` loads it: with its adapter, if it has one, merged."""
        c = self.config
        if not c.lora.rank:
            return model
        return lora.merge(Transformer.from_pretrained(Path(c.run.init)), lora.adapter_of(model, c.lora, base=""))

    def _held_out_loss(self, model: nn.Module) -> float:
        """Return the mean loss over held-out clips, each cut to the longest window that it fills."""
        groups: dict[tuple[tuple[int, int], int], list[Lesson]] = {}
        for one in self.held_out[:MOST_HELD_OUT]:
            groups.setdefault((one.grid, self._longest(one)), []).append(one)
        total, num = 0.0, 0
        for (_, seconds), some in sorted(groups.items()):
            for start in range(0, len(some), HELD_OUT_AT_ONCE):
                few = some[start : start + HELD_OUT_AT_ONCE]
                drawn = self._drawn(few, seconds, 10**6 + num, next(model.parameters()).device)
                total += float(self._loss(model, drawn)) * len(few)
                num += len(few)
        return total / num

    def _longest(self, one: Lesson) -> int:
        return max(window.seconds for window in self.config.windows if window.seconds <= one.seconds)

    def _question(self, one: Lesson) -> Question:
        rows, columns = one.grid
        seconds, cell = self._longest(one), compare.PIXELS
        shape = BucketConfig(frames=seconds * ENCODED_FPS, fps=ENCODED_FPS, height=rows * cell, width=columns * cell)
        clip = read_frames(self.data.read_clip(one.clip_id), shape)
        shift = self.config.shift
        return Question(prompt=one.texts[0], rows=rows, columns=columns, seconds=seconds, shift=shift, clip=clip)

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        """Write what `rushes film` takes: `--lora FILE` the adapter, `--weights FOLDER` whole weights."""
        assert isinstance(model, Transformer)
        c = self.config
        previews = folder.parent / "previews"
        if not (previews / SHEET).exists():  # killed between its last checkpoint and the sheet
            previews.mkdir(exist_ok=True)
            self.preview(model, previews, c.run.steps)
        facts = facts | {"captions": f"{c.captions}@{self.version}", "clips": len(self.lessons)}
        if c.lora.rank:
            base = weights.read_config(Path(c.run.init), family="transformer")["sha256"]
            return lora.save(lora.adapter_of(model, c.lora, base=base, facts=facts), folder / "adapter.safetensors")
        weights.save(model, folder / "film", family="transformer", config=model.config, facts=facts)
        synonyms = Path(c.run.init) / "synonyms.json"
        if c.run.init and synonyms.is_file():
            shutil.copyfile(synonyms, folder / "film" / "synonyms.json")
        (folder / "autoencoder").mkdir(exist_ok=True)
        for name in (weights.CONFIG, weights.FILE):
            shutil.copyfile(Path(c.autoencoder) / name, folder / "autoencoder" / name)
        return folder


def lessons_of(data: Dataset, config: FinetuneConfig) -> tuple[list[Lesson], str]:
    """Return the kept clips that have captions, in the dataset's order, and the version of the captions.

    Raises:
        InputError: nothing is kept, no captions, or none of the kept clips has any.
    """
    selection = data.selection().select(["clip_id", "kept", "weight"]).to_pylist()
    weight = {row["clip_id"]: row["weight"] for row in selection if row["kept"]}
    if not weight:
        raise InputError(f"the dataset {config.data} keeps none of its {len(selection)} clips; widen its cuts")
    found = captions_of.choose(data, list(weight), config.captions, config.caption_version, config.caption_columns)
    clips = data.clips().select(["clip_id", "source", "width_px", "height_px"]).to_pylist()
    lessons = [
        Lesson(
            clip_id=row["clip_id"],
            source=row["source"],
            texts=found.texts[row["clip_id"]],
            weight=weight[row["clip_id"]],
            grid=nearest_grid(config.grids, row["width_px"], row["height_px"]),
        )
        for row in clips
        if row["clip_id"] in found.texts and row["clip_id"] in weight
    ]
    if not lessons:
        raise InputError(f"no kept clip has a caption of {config.captions}@{found.version}")
    return lessons, found.version


def vocabulary_of(lessons: Sequence[Lesson]) -> tuple[str, ...]:
    """Return every word of the captions, sorted."""
    plain = Vocabulary((), 1)
    return tuple(sorted({word for one in lessons for text in one.texts for word in plain.split(text)}))


def part(lessons: Sequence[Lesson], share: float) -> tuple[list[Lesson], list[Lesson]]:
    """Return (to learn, held out): whole sources go, in the order of their hashes, until `share` of the clips has gone.

    Clips of one source look alike; only where there is one source alone, some of its clips go. A single clip stays.
    """
    if not 0.0 <= share < 1.0:
        raise InputError(f"held_out {share} is illegal; the nearest legal value is {0.0 if share < 0 else 0.5}")
    sources = sorted({one.source for one in lessons}, key=lambda source: settings.key(["held out", source]))
    whole = len(sources) > 1
    groups = sources if whole else [one.clip_id for one in lessons]
    wanted, gone = share * len(lessons), set[str]()
    for group in groups[:-1]:
        size = sum((one.source if whole else one.clip_id) in gone for one in lessons)
        if size >= wanted:
            break
        gone.add(group)
    is_gone = [(one.source if whole else one.clip_id) in gone for one in lessons]
    train = [one for one, out in zip(lessons, is_gone, strict=True) if not out]
    return train, [one for one, out in zip(lessons, is_gone, strict=True) if out]
