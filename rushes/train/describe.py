"""Train the captioner on films of the paper world: find the subjects, read the fields, say them, embed them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes import config as configs
from rushes.data.banks import bank as banks
from rushes.data.banks.caption_rows import EVERYTHING, CaptionRows, DetailRows
from rushes.data.banks.spoiling import draw_tags, spoil
from rushes.data.captioning.sentences import LABELS, Fields, every_word, fields_of, write
from rushes.errors import RushesError
from rushes.models._fields import FIELDS, STILL_FIELDS, SUBJECT_FIELDS, SUBJECTS, TAGS, acts_second, value_ids
from rushes.models._writer import LENGTHS, Pieces
from rushes.models.captioner import Captioner, CaptionerConfig, Thought, in_order, reading_times
from rushes.models.oracle import Oracle
from rushes.nn import weights
from rushes.train import ceiling, checkpoint
from rushes.train.distil import Lessons, contrast_loss, num_pieces, trimmed
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.trainer import Objective, RunConfig
from rushes.world import REVISION
from rushes.world.scene import SceneFilters, from_dict, sample

NUM_PREVIEWED = 192
NEWER = ("drift.", "move.", "deeper.", "fine.", "path.", "made.")  # what older weights lack


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeConfig:
    """The first `still_share` of the steps, then every `still_every`-th, reads two frames of `still_batch` films each.

    All other steps read all ten frames of `batch` films. Of the still steps the share `sought` does nothing but search.

    `texts` more captions a step, of scenes that nobody draws, teach the writer; `told` is the share of the film steps
    in which subjects need not be found. `eye` names oracle weights whose eye a new captioner starts with. Every other
    step learns from the teachers of the curated dataset `data`, where one is named.
    """

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    model: CaptionerConfig = field(default_factory=CaptionerConfig)
    filters: SceneFilters = field(default_factory=lambda: EVERYTHING)
    num: int = 9216
    batch: int = 8
    still_batch: int = 32
    still_share: float = 0.1
    still_every: int = 3
    sought: float = 0.0
    texts: int = 16
    told: float = 0.5
    spoilt: float = 0.15
    eye: str = "weights/oracle"
    data: str = ""
    banks: str = "runs/banks"
    workers: int = 2

    def objective(self) -> Objective:
        return DescribeObjective(self)


class DescribeObjective:
    """Cross-entropy of fields and words, focal loss of subjects' middles, contrast of films and captions."""

    def __init__(self, config: DescribeConfig) -> None:
        self.config = config
        labels = tuple("|".join(LABELS[a]) for a in FIELDS)
        self.model: nn.Module = Captioner(replace(config.model, labels=labels, words=every_word()))
        if config.run.init:
            weights.load(self.model, Path(config.run.init), family="captioner", missing=NEWER)
            self.model.train().requires_grad_(True)
        elif config.eye:
            take_eye(self.model, Path(config.eye))
        self.pieces = Pieces(every_word(), config.model.length)
        self.share = Share()
        self.bank: Films | None = None
        self.held_out: Films | None = None
        self.lessons: Lessons | None = None

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        if self.config.data:
            self.lessons = Lessons(self.config.data, Path(self.config.banks), self.config.workers, say)
        self.bank = self._films("train", 11, 0.0, self.config.num, say)
        self.held_out = self._films("test", 211, 0.5, 4 * banks.CHUNK, say)

    def _films(self, use: str, seed: int, held_out: float, num: int, say: Callable[[str], None]) -> Films:
        c = self.config

        def build(name: str, make: CaptionRows | DetailRows) -> banks.Bank:
            name = f"{name}-{use}-{banks.key(configs.to_dict(make) | {'world': REVISION})}"

            def watch(done: int, wanted: int) -> None:
                if done % 8 == 0 or done == wanted:
                    say(f"bank {name}: {done} of {wanted} chunks")

            return banks.build(Path(c.banks) / name, num, make, workers=c.workers, watch=watch)

        return Films(
            small=build("captions", CaptionRows(seed=seed, held_out_share=held_out, filters=c.filters)),
            details=build("details", DetailRows(seed=seed, held_out_share=held_out, filters=c.filters)),
        )

    def _reads_stills(self, step: int) -> bool:
        c = self.config
        return step < c.still_share * c.run.steps or step % c.still_every == 0

    def _only_seeks(self, step: int) -> bool:
        return self._reads_stills(step) and np.random.default_rng((self.config.run.seed, step, 7)).random() < (
            self.config.sought
        )

    def _is_lesson(self, step: int) -> bool:
        return bool(self.config.data) and step % 2 == 1

    def num_samples(self, step: int) -> int:
        if self._is_lesson(step):
            return self.config.batch
        return self.config.still_batch if self._reads_stills(step) else self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, Captioner)
        c, stills = self.config, self._reads_stills(step)
        if self._is_lesson(step):
            assert self.lessons is not None
            return self.lessons.loss(model, self.pieces, c.batch, (c.run.seed, step), self.share)
        if self._only_seeks(step):
            return self._seek(model, step)
        lesson = self._lesson(step)
        batch, told, *captions = self.share.of(lesson, is_dealt=True)
        dtype = next(model.parameters()).dtype
        look = model.see(batch.frames.to(dtype), told, batch.details.to(dtype))
        if told is None:
            look = in_order(look, matched(look.boxes, batch.boxes))
        thought = model.think(look, batch.times, batch.durations)
        counts = (num_inside(one.middles.flatten(0, 1)) for one in (batch, lesson.batch))
        where = search_loss(look.found, batch.middles.flatten(0, 1)) * self.share.weight(*counts)
        losses, right = field_losses(thought, batch, STILL_FIELDS if stills else FIELDS)
        spoken = together(*captions)
        whole = num_pieces(together(lesson.of_films, lesson.of_texts).ids)
        said = write_loss(model, thought.tokens[: len(captions[0].ids)], spoken)
        said = said * self.share.weight(num_pieces(spoken.ids), whole)
        total = torch.stack(list(losses.values())).sum() + where + said
        right |= {"search": where.detach(), "words": said.detach()}
        if not stills:
            contrast = contrast_loss(model, thought.embedding, spoken.ids, self.share)
            right["contrast"] = contrast.detach()
            total = total + 0.5 * contrast
        return total, right

    def _seek(self, model: Captioner, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return how badly subjects are found in single pictures; nothing else is read."""
        whole, _ = self._drawn(step)
        batch = self.share.of(whole)
        pictures = batch.frames.flatten(0, 1).to(next(model.parameters()).dtype)
        found = model.look_for(pictures.contiguous(memory_format=torch.channels_last))[2]
        counts = (num_inside(one.middles.flatten(0, 1)) for one in (batch, whole))
        where = search_loss(found, batch.middles.flatten(0, 1)) * self.share.weight(*counts)
        return where, {"search": where.detach()}

    def _drawn(self, step: int) -> tuple[Batch, np.random.Generator]:
        """Return a step's films, whole; what is drawn follows from (seed, step)."""
        c, stills = self.config, self._reads_stills(step)
        assert self.bank is not None
        rng = np.random.default_rng((c.run.seed, step, 5))
        indices = banks.order(len(self.bank), self.num_samples(step), c.run.seed + stills, step)
        return read(self.bank, indices, rng, stills=stills, spoilt=c.spoilt), rng

    def _lesson(self, step: int) -> Lesson:
        """Return a step's films and captions, whole."""
        c, stills = self.config, self._reads_stills(step)
        batch, rng = self._drawn(step)
        told = jitter(batch.boxes, rng) if stills or rng.random() < c.told else None
        said = self.captions(batch.fields, rng).to(batch.frames.device)
        num = len(said.ids) - c.texts
        of_films, of_texts = (Spoken(*(each[rows] for each in said)) for rows in (slice(num), slice(num, None)))
        return Lesson(batch=batch, told=told, of_films=of_films, of_texts=of_texts)

    def captions(self, fields: list[Fields], rng: np.random.Generator) -> Spoken:
        """Return captions of films of which `fields` are true, and of `texts` scenes that nobody sees."""
        known, lengths, ids = self._texts(fields, rng)
        num = len(ids) - self.config.texts
        sees = torch.from_numpy(rng.random(len(ids)) < 0.5)
        sees[num:] = False
        # Once in a while nothing is told, so that a writer can learn from teachers who say no fields.
        known[:num][sees[:num] & torch.from_numpy(rng.random(num) < 0.2)] = 0
        return Spoken(ids, known, lengths, sees)

    def _texts(self, fields: list[Fields], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return a caption of each film, and of `texts` scenes more: known values, lengths, ids of pieces.

        Some of them know only some of the fields.
        """
        scenes = [sample(rng, split="train", filters=self.config.filters) for _ in range(self.config.texts)]
        some = fields[: self.config.batch]  # of many stills a few are enough
        more = [fields_of(scene, _any_boxes(rng), draw_tags(rng, self.config.spoilt)) for scene in scenes]
        values, lengths, ids = [], [], []
        for one in (*some, *more):
            known = one if rng.random() < 0.5 else forget(one, rng)
            lengths.append(int(rng.integers(len(LENGTHS))))
            ids.append(self.pieces.encode(write(known, LENGTHS[lengths[-1]], rng)))
            values.append(value_ids(LABELS, known))
        return torch.tensor(values), torch.tensor(lengths), torch.tensor(ids)

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Return the share of held-out films whose field is read right; subjects are searched for."""
        assert self.held_out is not None and isinstance(model, Captioner)
        right: dict[str, list[Tensor]] = {}
        rng = np.random.default_rng(0)
        for start in range(0, min(NUM_PREVIEWED, len(self.held_out)), 16):
            batch = read(self.held_out, np.arange(start, start + 16), rng, stills=False, spoilt=0.0)
            thought = model(batch.frames, batch.times, batch.durations, batch.details)
            for a in FIELDS:
                hits = thought.logits[a].argmax(-1) == batch.labels[a]
                right.setdefault(a, []).append(hits[batch.labels[a] >= 0].float())
        return {f"held_out_{a}": float(torch.cat(hits).mean()) for a, hits in right.items()}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        assert isinstance(model, Captioner)
        return weights.save(model, folder, family="captioner", config=model.config, facts=facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Films:
    """Banks of the same films: as the captioner reads them (CaptionRows), and their details (DetailRows)."""

    small: banks.Bank
    details: banks.Bank

    def __len__(self) -> int:
        return len(self.small)


class Spoken(NamedTuple):
    """Captions: ids of pieces `[n m]`, known values `[n k]`, lengths `[n]`, and whether their writer sees the film."""

    ids: Tensor
    known: Tensor
    lengths: Tensor
    sees: Tensor

    def to(self, device: torch.device) -> Spoken:
        return Spoken(*(each.to(device) for each in self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Films `frames [b f 3 H W]` and their `details [b 3 H W]` in [-1, 1], what is in them, and where.

    `middles [b f 2 4]` are the boxes of subjects in sight, `boxes` the same as a perfect search would tell them, in
    tracks; `labels` are `[b 2]` for SUBJECT_FIELDS, else `[b]`, -1 where nothing is asked; `tags [b 3]` are 0 or 1.
    """

    frames: Tensor
    details: Tensor
    times: Tensor
    durations: Tensor
    middles: Tensor
    boxes: Tensor
    fields: list[Fields]
    labels: dict[str, Tensor]
    tags: Tensor


class Told(NamedTuple):
    """What is true of films: labels of fields as Batch has them, and tags."""

    labels: dict[str, Tensor]
    tags: Tensor


class Lesson(NamedTuple):
    """A step's films, the boxes of their subjects where those are told, captions of the first films and of scenes."""

    batch: Batch
    told: Tensor | None
    of_films: Spoken
    of_texts: Spoken


def read(films: Films, indices: np.ndarray, rng: np.random.Generator, *, stills: bool, spoilt: float) -> Batch:
    """Return films; of stills two random frames each, in time's order and sometimes mirrored."""
    place = ceiling.device()
    frames, boxes = films.small.take("frames", indices), films.small.take("boxes", indices)
    scenes = [from_dict(films.small.values[i]["scene"]) for i in indices]
    times = np.stack([reading_times(scene.duration_s) for scene in scenes]).astype(np.float32)
    tags = [draw_tags(rng, spoilt) for _ in scenes]
    fields = [fields_of(scene, one, tag) for scene, one, tag in zip(scenes, boxes, tags, strict=True)]
    if stills:
        picks = np.sort(rng.random(times.shape).argsort(1)[:, :2], axis=1)
        rows = np.arange(len(scenes))[:, None]
        frames, boxes, times = frames[rows, picks], boxes[rows, picks], times[rows, picks]
    x = torch.from_numpy(frames).to(place).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    x, found = moved(x, torch.from_numpy(boxes).to(place), rng)
    if stills and rng.random() < 0.5:
        x, found = x.flip(-1), torch.cat((found[..., :1], -found[..., 1:2], found[..., 2:]), dim=-1)
    details = torch.from_numpy(films.details.take("detail", indices)).to(place).permute(0, 3, 1, 2).float() / 127.5 - 1
    return Batch(
        frames=spoil(x, tags, rng),
        details=spoil(details[:, None], tags, rng, scale=2)[:, 0],
        times=torch.from_numpy(times).to(place),
        durations=torch.tensor([scene.duration_s for scene in scenes], device=place),
        middles=found,
        boxes=in_tracks(found, fields),
        fields=fields,
        labels={a: torch.tensor(x, device=place) for a, x in labels_of(fields).items()},
        tags=torch.tensor([[float(tag in one) for tag in TAGS] for one in tags], device=place),
    )


def in_tracks(boxes: Tensor, fields: list[Fields]) -> Tensor:
    """Return the boxes `[b f 2 4]` with the track that starts on the left first, one subject alone in both tracks."""
    turned = torch.tensor([_is_turned(one) for one in fields], device=boxes.device)[:, None, None, None]
    boxes = torch.where(turned, boxes.flip(2), boxes)
    other, is_seen = boxes.flip(2), boxes[..., 3:] > 0
    return torch.where(is_seen, boxes, other)


def labels_of(fields: list[Fields]) -> dict[str, list[Any]]:
    """Return the labels of films, those of subjects in tracks; -1 where a field is None."""
    found: dict[str, list[Any]] = {a: [] for a in FIELDS}
    for one in fields:
        subjects = one["subjects"][::-1] if _is_turned(one) else one["subjects"]
        for a in SUBJECT_FIELDS:
            words = [subject[a] for subject in (subjects * SUBJECTS)[:SUBJECTS]]
            found[a].append([-1 if word is None else LABELS[a].index(word) for word in words])
        for a in FIELDS[len(SUBJECT_FIELDS) :]:
            found[a].append(-1 if one[a] is None else LABELS[a].index(one[a]))
    return found


def _is_turned(fields: Fields) -> bool:
    """Return whether the first subject is the one that starts on the right; of two that pass, the left one is first."""
    if len(fields["subjects"]) < SUBJECTS:
        return False
    relation, direction = fields["relation"], fields["subjects"][0]["direction"]
    return acts_second(relation, direction) or (relation == "passes" and direction == "left")


def moved(frames: Tensor, boxes: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Shift a batch by a few pixels, its boxes with it."""
    h, w = frames.shape[-2:]
    down, across = (int(n) for n in rng.integers(-4, 5, 2))
    x = F.pad(frames.flatten(0, 1), (4, 4, 4, 4), mode="replicate")[:, :, 4 - down : 4 - down + h]
    x = x[..., 4 - across : 4 - across + w].unflatten(0, frames.shape[:2])
    return x, boxes + torch.tensor([2 * down / h, 2 * across / w, 0, 0], device=boxes.device)


def jitter(boxes: Tensor, rng: np.random.Generator) -> Tensor:
    """Return boxes as a good search would find them: a little off, with a score."""
    draw = torch.from_numpy(rng.standard_normal((*boxes.shape[:-1], 3))).to(boxes)
    half, seen = boxes[..., 2:3], boxes[..., 3:]
    middle = boxes[..., :2] + draw[..., :2] * half * torch.tensor([0.12, 0.07], device=boxes.device)
    score = torch.from_numpy(rng.uniform(0.4, 1.0, seen.shape)).to(boxes)
    return torch.cat((middle, half * (0.12 * draw[..., 2:]).exp(), seen * score + 0.05 * (1 - seen)), dim=-1)


def matched(found: Tensor, tracks: Tensor) -> Tensor:
    """Return 1 `[b f]` where the two subjects of a search belong into the other track."""

    def apart(a: Tensor, b: Tensor) -> Tensor:
        return (a[..., :2] - b[..., :2]).square().sum((-1, -2)).sqrt()

    return (apart(found.flip(2), tracks) + 1e-6 < apart(found, tracks)).long()


def search_loss(found: Tensor, boxes: Tensor) -> Tensor:
    """Return how badly `found [n 4 h w]` says where the subjects in sight are, `boxes [n 2 4]`.

    Source: Objects as Points, arXiv 1904.07850, eq. 1 and 2 (focal loss on smeared middles, L1 of offset and size).
    """
    h, w = found.shape[2:]
    row, column = ((boxes[..., i] + 1) / 2 * length for i, length in ((0, h), (1, w)))
    is_inside = (boxes[..., 3] > 0) & (row > 0) & (row < h) & (column > 0) & (column < w)
    spread = (boxes[..., 2] * h / 2.5).clamp(min=0.5)[..., None, None]
    rows = torch.arange(h, device=found.device).view(1, 1, h, 1) + 0.5
    columns = torch.arange(w, device=found.device).view(1, 1, 1, w) + 0.5
    at_row, at_column = row.floor().clamp(0, h - 1), column.floor().clamp(0, w - 1)
    distance = (rows - at_row[..., None, None] - 0.5) ** 2 + (columns - at_column[..., None, None] - 0.5) ** 2
    wanted = ((-distance / (2 * spread**2)).exp() * is_inside[..., None, None]).amax(1)
    heat = found[:, 0].float()
    sure, unsure = F.logsigmoid(heat), F.logsigmoid(-heat)
    chance, is_middle = heat.sigmoid(), wanted > 0.999
    focal = torch.where(is_middle, (1 - chance) ** 2 * sure, (1 - wanted) ** 4 * chance**2 * unsure)
    index = (at_row * w + at_column).long()[:, None].expand(-1, 3, -1)
    told = found[:, 1:].flatten(2).gather(2, index).mT.float()
    truth = torch.stack((row - at_row - 0.5, column - at_column - 0.5, boxes[..., 2].clamp(min=0.02).log()), dim=-1)
    off = ((told - truth).abs().sum(-1) * is_inside).sum()
    return (off - focal.sum()) / is_inside.sum().clamp(min=1)


def num_inside(boxes: Tensor) -> int:
    """Return how many subjects of `boxes [n 2 4]` are in sight, their middles inside the picture."""
    return int(((boxes[..., 3] > 0) & (boxes[..., :2].abs() < 1).all(-1)).sum())


def write_loss(model: Captioner, tokens: Tensor, spoken: Spoken) -> Tensor:
    """Return the mean loss of pieces; the first captions are of the films of `tokens`, the others of nothing seen."""
    seen = model.writer.seen(tokens)
    seen = torch.cat((seen, seen.new_zeros(len(spoken.ids) - len(seen), *seen.shape[1:])))
    prefix = model.writer.prefix(spoken.known, None, spoken.lengths)
    span = slice(prefix.shape[1] - 1 - seen.shape[1], prefix.shape[1] - 1)
    mixed = torch.where(spoken.sees[:, None, None], seen, prefix[:, span])
    prefix = torch.cat((prefix[:, : span.start], mixed, prefix[:, span.stop :]), dim=1)
    ids = trimmed(spoken.ids)
    logits = model.writer(prefix, ids)
    return F.cross_entropy(logits.flatten(0, 1).float(), ids.flatten(), ignore_index=Pieces.PAD)


def together(of_films: Spoken, of_texts: Spoken) -> Spoken:
    """Return captions of both kinds as one."""
    return Spoken(*(torch.cat(both) for both in zip(of_films, of_texts, strict=True)))


def field_losses(
    thought: Thought, batch: Batch | Told, names: tuple[str, ...]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the loss of each field and of the tags, and the share that is read right.

    A colour that cannot be seen teaches to be unsure: its target is every colour alike.
    """
    losses, right = {}, {}
    for a in names:
        logits, labels = thought.logits[a], batch.labels[a]
        chances = logits.log_softmax(-1)
        is_known = labels >= 0
        own = chances.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
        losses[a] = -torch.where(is_known, 0.98 * own + 0.02 * chances.mean(-1), chances.mean(-1)).mean()
        hits = (logits.argmax(-1) == labels) & is_known
        right[f"right_{a}"] = hits.sum() / is_known.sum().clamp(min=1)
    losses["tags"] = F.binary_cross_entropy_with_logits(thought.tags, batch.tags)
    return losses, right


def forget(fields: Fields, rng: np.random.Generator) -> Fields:
    """Return fields of which some are unknown, as those are of which a captioner is not sure."""
    share = float(rng.uniform(0.0, 0.5))
    subjects = [{a: None if rng.random() < share else word for a, word in s.items()} for s in fields["subjects"]]
    kept = {a: None if rng.random() < share else fields[a] for a in FIELDS[len(SUBJECT_FIELDS) :]}
    return {"subjects": subjects, **kept, "quality": fields["quality"]}


def take_eye(model: nn.Module, folder: Path) -> None:
    """Copy from oracle weights what has the same name and shape: the layers that look at whole frames."""
    own = model.state_dict()
    given = Oracle.from_pretrained(folder).state_dict()
    eye = ("stem.", "stages.", "look.", "gather.")
    same = {n: x for n, x in given.items() if n.startswith(eye) and n in own and own[n].shape == x.shape}
    model.load_state_dict(same, strict=False)


def ship_average(run: Path, folder: Path) -> Path:
    """Ship the averaged weights of a run's newest checkpoint, while the run goes on or after it was stopped.

    Raises:
        RushesError: the run has no whole checkpoint yet.
    """
    config = configs.from_dict(DescribeConfig, json.loads((run / "config.json").read_text()))
    kept = checkpoint.committed(run / "checkpoints")
    if not kept:
        raise RushesError(f"{run} holds no checkpoint yet; wait until it keeps one")
    tensors, facts = checkpoint.read(kept[-1])
    objective = DescribeObjective(replace(config, eye="", run=replace(config.run, init="")))
    objective.model.load_state_dict(tensors["model"])
    average = {n.removeprefix("average."): x for n, x in tensors["optimizer"].items() if n.startswith("average.")}
    objective.model.load_state_dict(average, strict=False)
    return objective.ship(objective.model, folder, {"steps": facts["step"], "preset": configs.to_dict(config)})


def _any_boxes(rng: np.random.Generator) -> np.ndarray:
    """Return boxes of some size, for scenes that are only spoken of."""
    return np.full((1, 2, 4), (0.0, 0.0, rng.uniform(0.08, 0.28), 1.0))
