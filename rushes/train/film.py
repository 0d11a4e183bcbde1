"""Train the film model: flow matching on latents of the paper world, captions in their own words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from rushes import config as configs
from rushes import layouts
from rushes.data.banks import bank as banks
from rushes.data.banks.world_rows import NUM_CAPTIONS, STAGE, LatentRows
from rushes.diffusion import flow, samplers, schedule
from rushes.diffusion.guidance import Guidance
from rushes.errors import InputError
from rushes.models import _draft
from rushes.models.autoencoder import LATENT_FPS, Autoencoder, PatchTransform, to_bytes
from rushes.models.transformer import Crop, Lead, Transformer, TransformerConfig
from rushes.nn import weights
from rushes.train import ceiling
from rushes.train.cut import looks_of
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.stage import Places
from rushes.train.trainer import Objective, RunConfig, generator
from rushes.world import REVISION
from rushes.world.captions import words
from rushes.world.layout import layout
from rushes.world.scene import SceneFilters, from_dict
from rushes.world.synonyms import SYNONYMS

NUM_PREVIEWS, PREVIEW_SCALE = 12, 3.0
SMALLEST_T = 0.03  # of training: below it the velocity is all division
_LATER = ("control.", "tracing.", "staging.")  # parts that weights of earlier stages lack


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Films of one length and grid: `num` in the bank, `share` of the steps, `batch` films a step.

    `crop` (rows, columns), where it is not (0, 0), cuts each film to a window around its subject: most of what there
    is to learn at a fraction of the tokens. Positions stay those of the whole frame.
    Source: Patch Diffusion (arXiv 2304.12526), with windows that follow the subject. `num_subjects_weights`, where they
    are named, take the place of those of the config's filters.
    """

    seconds: int
    rows: int
    columns: int
    num: int
    share: float
    batch: int
    crop: tuple[int, int] = (0, 0)
    num_subjects_weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmConfig:
    """`subject_weight` is how much more than the background a cell covered by the subject counts in the loss.

    `no_prompt`, `no_layout`, `no_draft` and `no_backdrop` are the shares of films whose prompt, layout, draft or
    backdrop is left out, `no_lead` that of films of which all three are. `blocks` and `text_blocks` say which blocks
    of the model that the run begins with are kept; all of them, where none are named.
    """

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    model: TransformerConfig = field(default_factory=TransformerConfig)
    autoencoder: str = "weights/autoencoder"
    banks: str = "runs/banks"
    buckets: tuple[Bucket, ...] = ()
    filters: SceneFilters = field(default_factory=SceneFilters)
    subject_weight: float = 4.0
    no_prompt: float = 0.1
    no_layout: float = 0.1
    no_draft: float = 0.15
    no_backdrop: float = 0.15
    no_lead: float = 0.0
    blocks: tuple[int, ...] = ()
    text_blocks: tuple[int, ...] = ()
    t_mean: float = 0.3
    t_deviation: float = 1.2
    shift: float = 2.0
    workers: int = 2

    def objective(self) -> Objective:
        return FilmObjective(self)


class Lesson(NamedTuple):
    """A batch as a model is taught it: latents and noise `[b c t h w]`, times `[b]`, cells' weights `[b 1 t h w]`.

    Then word ids `[b m]`, (start, duration) in seconds `[b]` each, what leads the films, and the windows that they were
    cut to, if any.
    """

    clean: Tensor
    noise: Tensor
    t: Tensor
    weight: Tensor
    ids: Tensor
    seconds: tuple[Tensor, Tensor]
    lead: Lead
    crop: Crop | None


class FilmObjective:
    """One step is one bucket's batch; the bucket follows from (seed, step)."""

    folded = 1.0  # the guidance that the model's prompted velocity already has

    def __init__(self, config: FilmConfig) -> None:
        self.config = config
        text = replace(config.model.text, words=tuple(sorted(words())))
        model = Transformer(replace(config.model, text=text))
        if config.run.init:
            _begin(model, config)
        self.model: nn.Module = model
        self.share = Share()
        self.films: list[_Films] = []
        self.places = Places()
        self.held_out: _Films | None = None

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Build or open one bank per bucket, and a small held-out one shaped like the first bucket."""
        shared: dict[Bucket, _Films] = {}  # a bucket of crops reads the films of another, whole
        for bucket in self.config.buckets:
            key = replace(bucket, share=0.0, batch=0, crop=(0, 0))
            if key not in shared:
                shared[key] = self._films(bucket, "train", bucket.num, say)
            self.films.append(shared[key])
        self.held_out = self._films(self.config.buckets[0], "test", banks.CHUNK, say)

    def _films(self, bucket: Bucket, split: str, num: int, say: Callable[[str], None]) -> _Films:
        c = self.config
        filters = c.filters
        if bucket.num_subjects_weights:
            filters = replace(filters, num_subjects_weights=bucket.num_subjects_weights)
        make = LatentRows(
            autoencoder=c.autoencoder, seconds=bucket.seconds, rows=bucket.rows, columns=bucket.columns,
            cell=weights.read_config(Path(c.autoencoder), family="autoencoder")["config"]["cell"],
            split=split, filters=filters, seed=1 if split == "train" else 99,
        )  # fmt: skip
        facts = configs.to_dict(make) | {"transform": _transform_digest(Path(c.autoencoder)), "world": REVISION}
        name = f"latents-{split}-{bucket.seconds}s-{bucket.rows}x{bucket.columns}-{banks.key(facts)}"

        def watch(done: int, wanted: int) -> None:
            if done % 20 == 0 or done == wanted:
                say(f"bank {name}: {done} of {wanted} chunks")

        bank = banks.build(Path(c.banks) / name, num, make, workers=c.workers, watch=watch)
        assert isinstance(self.model, Transformer)
        return _Films(bank, self.model, Autoencoder.from_pretrained(Path(c.autoencoder)).transform, self.places)

    def _bucket(self, step: int) -> int:
        shares = np.array([bucket.share for bucket in self.config.buckets])
        return int(np.random.default_rng((self.config.run.seed, step, 7)).choice(len(shares), p=shares / shares.sum()))

    def num_samples(self, step: int) -> int:
        return self.config.buckets[self._bucket(step)].batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        which = self._bucket(step)
        bucket, films = self.config.buckets[which], self.films[which]
        indices = banks.order(len(films), bucket.batch, self.config.run.seed + which, step)
        loss = self._error(model, self.share.of(self._noised(films, indices, step, bucket.crop)))
        rows, columns = bucket.crop if any(bucket.crop) else (bucket.rows, bucket.columns)
        return loss, {f"loss_{bucket.seconds}s_{rows}x{columns}": loss.detach()}

    def _noised(self, films: _Films, indices: np.ndarray, step: int, size: tuple[int, int]) -> Lesson:
        """Return a step's films with the noise, time, prompt and window that the step draws for each."""
        c = self.config
        rng = np.random.default_rng((c.run.seed, step, 8))
        picks, keep = rng.integers(0, NUM_CAPTIONS, len(indices)), rng.random(len(indices)) >= c.no_prompt
        bare, led = rng.random(len(indices)) < c.no_lead, rng.random(len(indices)) >= c.no_layout
        clean, mask, ids, seconds, layout = films.batch(indices, picks, keep, led & ~bare)
        crop = around(mask, size, rng) if any(size) else None
        if crop:
            clean, mask = cut(clean, crop, size), cut(mask, crop, size)
        random = generator(c.run.seed, step, device=clean.device)
        noise = torch.randn(clean.shape, generator=random, device=clean.device)
        t = flow.draw_t(len(clean), random, mean=c.t_mean, deviation=c.t_deviation, shift=c.shift)
        weight = 1 + (c.subject_weight - 1) * mask
        shown, staged = rng.random(len(indices)) >= c.no_draft, rng.random(len(indices)) >= c.no_backdrop
        lead = films.lead(indices, layout, (shown & ~bare, staged & ~bare), crop, size)
        return Lesson(clean, noise, t, weight / weight.mean(), ids, seconds, lead, crop)

    def _error(self, model: nn.Module, lesson: Lesson) -> Tensor:
        """Return the mean loss of a batch: how far the model's velocity is from that which leads to the clean film."""
        prompt = model.read(lesson.ids)  # type: ignore[operator]

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            return model(x, t, prompt, lesson.seconds, lesson.crop, lesson.lead)

        return denoising(velocity, lesson.clean, lesson.noise, lesson.t, lesson.weight)

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Sample twelve held-out prompts, lay their first and last frames out, and return the held-out loss."""
        films = self.held_out
        assert films is not None and isinstance(model, Transformer)
        starts = range(0, len(films), 16)
        lessons = (self._noised(films, np.arange(i, i + 16), 10**6 + i, (0, 0)) for i in starts)
        losses = [float(self._error(model, lesson)) for lesson in lessons]
        model = model.cpu()
        texts = [films.bank.values[i]["captions"][0] for i in range(NUM_PREVIEWS)]
        ids = torch.tensor([model.vocabulary.encode(text) for text in [*texts, *[""] * len(texts)]])
        prompt = model.read(ids)
        bucket = self.config.buckets[0]
        c = self.config.model.channels
        shape = (NUM_PREVIEWS, c, bucket.seconds * 2, bucket.rows, bucket.columns)
        seconds = (torch.zeros(2 * NUM_PREVIEWS), torch.full((2 * NUM_PREVIEWS,), float(bucket.seconds)))
        some, layout = np.arange(2 * NUM_PREVIEWS) % NUM_PREVIEWS, films.layouts[:NUM_PREVIEWS].repeat(2, 1, 1)
        led = films.lead(some, layout, (some >= 0, some >= 0), None, (0, 0))
        led = led._replace(**{name: part.cpu() for name, part in led._asdict().items() if part is not None})

        guidance = Guidance(scale=PREVIEW_SCALE, folded=self.folded)

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            return guidance.mix(*model(torch.cat((x, x)), torch.cat((t, t)), prompt, seconds, None, led).chunk(2))

        noise = torch.randn(shape, generator=generator(0, 0, 5))
        latent = samplers.multistep(velocity, noise, schedule.grid(12, self.config.shift))
        transform = Autoencoder.from_pretrained(Path(self.config.autoencoder)).transform
        frames = to_bytes(transform.decode(latent)).permute(0, 2, 3, 4, 1).numpy()
        pairs = np.concatenate((frames[:, 0], frames[:, -1]), axis=1)
        columns = 4
        sheet = np.concatenate(
            [np.concatenate(list(row), axis=1) for row in np.split(pairs, len(pairs) // columns)], axis=0
        )
        Image.fromarray(sheet).save(folder / f"step-{step:07d}.png")
        (folder / "prompts.txt").write_text("\n".join(texts) + "\n")
        return {"held_out_loss": math.fsum(losses) / len(losses)}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        assert isinstance(model, Transformer)
        weights.save(model, folder, family="transformer", config=model.config, facts=facts)
        (folder / "synonyms.json").write_text(json.dumps(SYNONYMS, indent=0, sort_keys=True) + "\n")
        return folder


def denoising(
    velocity: Callable[[Tensor, Tensor], Tensor], clean: Tensor, noise: Tensor, t: Tensor, weight: Tensor
) -> Tensor:
    """Return the loss of a batch at times `t [b]`: the velocity's error, weighted as that of a clean latent is.

    `clean`, `noise [b c t h w]`, `weight [b 1 t h w]`.
    """
    safe = t.clamp(min=SMALLEST_T)
    per_sample = flow.loss(velocity, clean, noise, safe, weight)
    return (per_sample * safe.square() / (t.square() + 0.09)).mean()


def around(mask: Tensor, size: tuple[int, int], rng: np.random.Generator) -> Crop:
    """Draw a window of `size` cells for each film, its middle within a cell or so of the subject's, inside the frame.

    `mask [b 1 t h w]` says how much of each cell the subject covers.
    """
    covered = mask.sum((1, 2)) + 1e-6  # where there is no subject, the frame's middle
    jitter = torch.from_numpy(rng.uniform(-1.2, 1.2, (2, len(mask)))).to(covered)
    corners = []
    for axis, length in enumerate(size):
        line = covered.sum(2 - axis)
        cells = line.shape[1]
        middle = (line * torch.arange(cells, device=line.device)).sum(1) / line.sum(1) + 0.5
        corners.append((middle - length / 2 + jitter[axis]).round().clamp(0, cells - length).long())
    rows, columns = mask.shape[3:]
    return Crop(top=corners[0], left=corners[1], rows=rows, columns=columns)


def cut(x: Tensor, crop: Crop, size: tuple[int, int]) -> Tensor:
    """Cut each film's own window out of `x [b c t h w]`."""
    rows = crop.top[:, None] + torch.arange(size[0], device=x.device)
    columns = crop.left[:, None] + torch.arange(size[1], device=x.device)
    film = torch.arange(len(x), device=x.device)[:, None, None]
    return x.permute(0, 3, 4, 1, 2)[film, rows[:, :, None], columns[:, None]].permute(0, 3, 4, 1, 2).contiguous()


def _begin(model: Transformer, config: FilmConfig) -> None:
    """Fill `model` with the weights that its run begins with, or with those of the blocks that it keeps of them."""
    folder, asked = Path(config.run.init), model.config
    had = weights.read_config(folder, family="transformer")["config"]
    depth, text_depth = had["depth"], had["text"]["depth"]
    _check_kept(folder, depth, ("blocks", config.blocks), ("model.depth", asked.depth))
    _check_kept(folder, text_depth, ("text_blocks", config.text_blocks), ("model.text.depth", asked.text.depth))
    for part in ("layout", "draft", "backdrop"):
        if had.get(part) and not getattr(asked, part):
            raise InputError(f"model.{part} is false, but {folder} has one; the legal value is true")
    whole = Transformer(replace(asked, depth=depth, text=replace(asked.text, depth=text_depth)))
    weights.load(whole, folder, family="transformer", missing=_LATER)
    if config.blocks:
        whole.blocks = nn.ModuleList(whole.blocks[block] for block in config.blocks)
    if config.text_blocks:
        whole.text.blocks = nn.ModuleList(whole.text.blocks[block] for block in config.text_blocks)
    model.load_state_dict(whole.state_dict())


def _check_kept(folder: Path, depth: int, kept: tuple[str, tuple[int, ...]], asked: tuple[str, int]) -> None:
    """Raise InputError where blocks kept of weights of `depth` are not there, or not as many as the run's model has.

    `kept` and `asked` are the two settings that say so, with their values.
    """
    (setting, blocks), (wanting, wanted) = kept, asked
    for block in blocks:
        if not 0 <= block < depth:
            raise InputError(f"{folder} has no block {block}; the last one is {depth - 1}, and {setting}=[] keeps all")
    num = len(blocks) or depth
    if num != wanted:
        said = f"{wanting} is {wanted}, but of the {depth} blocks in {folder} {setting}={list(blocks)} keeps {num}"
        raise InputError(f"{said}; the nearest legal value is {wanting}={num}, or name {wanted} in {setting}")


class _Films:
    """A bank's films, ready to batch: an accelerator holds them all, the CPU reads latents where they lie on disk."""

    def __init__(self, bank: banks.Bank, model: Transformer, transform: PatchTransform, places: Places) -> None:
        self.bank, self.transform = bank, transform
        self.place = ceiling.device()
        values = bank.values[: len(bank)]
        captions = [[model.vocabulary.encode(text) for text in row["captions"]] for row in values]
        self.ids = torch.tensor(captions, device=self.place)
        self.seconds = [torch.tensor([row[k] for row in values], device=self.place) for k in ("start_s", "duration_s")]
        self.layouts = torch.from_numpy(np.stack([_layout(row, bank) for row in values])).to(self.place)
        self.looks = self.cutouts = torch.zeros(0)
        if model.tracing:
            subjects = [[(one["kind"], one["colour"]) for one in row["scene"]["subjects"]] for row in values]
            self.looks, self.cutouts = looks_of(subjects)
        self.cameras, self.places, self.stages = torch.zeros(0), places, torch.zeros(0)
        if model.staging:
            self.cameras = torch.from_numpy(np.stack([_camera(row) for row in values])).to(self.place)
            numbers = [places.number(*(row["scene"][key] for key in STAGE)) for row in values]
            self.stages = torch.tensor(numbers, device=self.place)
        self.held = {}
        if self.place.type != "cpu":
            self.held = {name: torch.from_numpy(bank.whole(name)).to(self.place) for name in ("latent", "mask")}

    def __len__(self) -> int:
        return len(self.bank)

    def _take(self, column: str, indices: np.ndarray, rows: Tensor) -> Tensor:
        return self.held[column][rows] if self.held else torch.from_numpy(self.bank.take(column, indices))

    def batch(
        self, indices: np.ndarray, picks: np.ndarray, keep: np.ndarray, led: np.ndarray
    ) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor], Tensor]:
        """Return latents `[b c t h w]`, masks `[b 1 t h w]` in [0, 1], word ids `[b m]`, (start, duration) `[b]`.

        Then layouts `[b 2t 17]`. `picks [b]` choose a caption each; where `keep [b]` is false, the prompt is empty, and
        where `led [b]` is false, the layout is all zeros.
        """
        rows = torch.from_numpy(indices).to(self.place)
        clean = self._take("latent", indices, rows).float()
        mask = self._take("mask", indices, rows).float()[:, None] / 255
        ids = self.ids[rows, torch.from_numpy(picks).to(self.place)] * torch.from_numpy(keep).to(self.place)[:, None]
        layout = self.layouts[rows] * torch.from_numpy(led).to(self.place)[:, None, None]
        return clean, mask, ids, (self.seconds[0][rows], self.seconds[1][rows]), layout

    def lead(
        self,
        indices: np.ndarray,
        layout: Tensor,
        shown: tuple[np.ndarray, np.ndarray],
        crop: Crop | None,
        size: tuple[int, int],
    ) -> Lead:
        """Return what leads windows of `size` cells along layouts, as far as the model can be shown it.

        Drafts and backdrops are zeros where `shown`, `[b]` each, is false.
        """
        if not len(self.looks):
            return Lead(layout)
        _, _, rows, columns = self.bank.columns[0]["latent"].shape[1:]
        transform, cell = self.transform.to(layout.device), self.transform.config.cell
        looks = self.looks[torch.from_numpy(indices)] * torch.from_numpy(shown[0])[:, None]
        cutouts = self.cutouts[looks].to(layout.device).float() / 255
        start = torch.zeros(len(indices), device=layout.device)
        corner, size = ((crop.top, crop.left), size) if crop else ((start, start), (rows, columns))
        places = _draft.pixels(rows, columns, cell, corner, size)
        stage = self._stage(indices, shown[1], layout.shape[1] * _draft.PER_ROW) if len(self.cameras) else None
        return Lead(layout, *_draft.draft(layout, cutouts, places, transform, stage))

    def _stage(self, indices: np.ndarray, shown: np.ndarray, num_frames: int) -> _draft.Stage:
        """Return the films' backdrops, zeros where `shown [b]` is false, and their cameras' ways."""
        rows = torch.from_numpy(indices).to(self.place)
        pictures = self.places.take(self.stages[rows]) * torch.from_numpy(shown).to(self.place)[:, None, None, None]
        speed, since_s = self.cameras[rows].split((layouts.CAMERA, 1), dim=1)
        return _draft.Stage(pictures.float() / 255, _draft.way(speed, since_s[:, 0], num_frames))


def _layout(row: dict[str, Any], bank: banks.Bank) -> np.ndarray:
    """Return the layout of a bank's film, float32 `[2t 17]`."""
    _, frames, height, width = bank.columns[0]["latent"].shape[1:]
    times = layouts.times(frames / LATENT_FPS, row["start_s"])
    return layout(from_dict(row["scene"]), times, layouts.reach(height, width)[0])


def _camera(row: dict[str, Any]) -> np.ndarray:
    """Return the speed of a film's camera and when its window begins, in seconds from the film's middle, `[4]`."""
    seconds = row["duration_s"]
    rows = layout(from_dict(row["scene"]), layouts.times(seconds))
    return np.append(layouts.steady(rows, seconds), np.float32(row["start_s"] - seconds / 2))


def _transform_digest(folder: Path) -> str:
    """Return a hash of the autoencoder's encoder alone; its painter may improve without spoiling cached latents."""
    transform = Autoencoder.from_pretrained(folder).transform
    return banks.key({name: float(tensor.double().abs().sum()) for name, tensor in transform.named_buffers()})
