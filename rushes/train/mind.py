"""Train what the captioner makes of what it sees: fields, sentences, embeddings; its eye stays as it is.

Every film is looked at, spoilt one way or another, and what is seen is kept; the layers that think learn from that,
dozens of films a step instead of eight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rushes.data.banks import bank as banks
from rushes.data.banks.caption_rows import EVERYTHING
from rushes.data.banks.spoiling import spoil
from rushes.data.captioning.sentences import Fields, fields_of
from rushes.models._fields import FIELDS, TAGS
from rushes.models.captioner import Captioner, CaptionerConfig, Look, in_order, reading_times
from rushes.train import ceiling
from rushes.train.describe import (
    DescribeConfig,
    DescribeObjective,
    Spoken,
    Told,
    field_losses,
    matched,
    read,
    write_loss,
)
from rushes.train.distil import contrast_loss
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import Objective, RunConfig
from rushes.world.scene import SceneFilters, from_dict

AT_ONCE = 16
KEPT = "seen.safetensors"
EYE = (
    *("stem.", "stages.", "look.", "gather.", "deeper.", "search.", "close_stem.", "close_stages.", "recognise."),
    *("tint.", "colour.", "mark.", "shift."),
)
SEEN = ("whole", "shape", "colour", "boxes", "shifts", "moved")


@dataclass(frozen=True, slots=True, kw_only=True)
class MindConfig:
    """`looks` is how often each film is looked at, spoilt another way each time; `spoken` films a step are told of.

    The details of `detailed` films a step are looked at anew, which costs little; the others show none. `drop` of what
    was seen is forgotten at random. The rest is as in DescribeConfig.
    """

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    model: CaptionerConfig = field(default_factory=CaptionerConfig)
    filters: SceneFilters = field(default_factory=lambda: EVERYTHING)
    num: int = 20480
    batch: int = 64
    spoken: int = 8
    detailed: int = 24
    texts: int = 8
    looks: int = 1
    drop: float = 0.1
    spoilt: float = 0.15
    banks: str = "runs/banks"
    workers: int = 2

    def objective(self) -> Objective:
        return MindObjective(self)


class MindObjective:
    """Cross-entropy of fields and words and contrast of films and captions, from what a frozen eye saw."""

    def __init__(self, config: MindConfig) -> None:
        self.config = config
        names = ("run", "model", "filters", "num", "texts", "spoilt", "banks", "workers")
        shared = {name: getattr(config, name) for name in names}
        self.describing = DescribeObjective(DescribeConfig(**shared, batch=config.spoken, eye=""))
        self.model: nn.Module = self.describing.model
        for name, weight in self.model.named_parameters():
            weight.requires_grad_(not name.startswith(EYE))
        self.seen: dict[str, Tensor] = {}

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        self.describing.prepare(folder, say)
        kept = folder / KEPT
        if not kept.is_file():
            draft = kept.with_suffix(".draft")
            save_file(self._look(say), draft)
            draft.replace(kept)
        self.seen = {name: tensor.to(ceiling.device()) for name, tensor in load_file(kept).items()}

    @torch.inference_mode()
    def _look(self, say: Callable[[str], None]) -> dict[str, Tensor]:
        """Return what is seen at every look at every film, both orders of the squares, and what would be right."""
        films, model = self.describing.bank, self.model
        assert films is not None and isinstance(model, Captioner)
        rows: dict[str, list[Tensor]] = {}
        for look in range(self.config.looks):
            for start in range(0, len(films), AT_ONCE):
                rng = np.random.default_rng((self.config.run.seed, look, start))
                indices = np.arange(start, min(start + AT_ONCE, len(films)))
                batch = read(films, indices, rng, stills=False, spoilt=self.config.spoilt)
                seen = model.see(batch.frames, None, batch.details)
                found = {name: getattr(seen, name).half() for name in SEEN} | {
                    f"is_{a}": batch.labels[a] for a in FIELDS
                }
                found |= {
                    "matched": matched(seen.boxes, batch.boxes),
                    "followed": model.order(seen),
                    "tags": batch.tags,
                }
                for name, tensor in found.items():
                    rows.setdefault(name, []).append(tensor.cpu())
                if start % (32 * AT_ONCE) == 0:
                    say(f"look {look + 1} of {self.config.looks}: film {start} of {len(films)}")
        return {name: torch.cat(tensors) for name, tensors in rows.items()}

    def num_samples(self, step: int) -> int:
        return self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, Captioner) and self.describing.bank is not None
        c, device = self.config, next(model.parameters()).device
        rng = np.random.default_rng((c.run.seed, step, 5))
        indices = banks.order(len(self.seen["tags"]), c.batch, c.run.seed, step)
        scenes = [from_dict(self.describing.bank.small.values[i % len(self.describing.bank)]["scene"]) for i in indices]
        times = torch.from_numpy(np.stack([reading_times(one.duration_s) for one in scenes])).float().to(device)
        durations = torch.tensor([one.duration_s for one in scenes], device=device)
        rows = torch.from_numpy(indices).to(device)
        thought = model.think(self._recalled(model, indices, rng), times, durations)
        lesson = Told(labels={a: self.seen[f"is_{a}"][rows] for a in FIELDS}, tags=self.seen["tags"][rows])
        losses, right = field_losses(thought, lesson, FIELDS)
        spoken = self._spoken(indices[: c.spoken], rng, device)
        said = write_loss(model, thought.tokens[: c.spoken], spoken)
        contrast = contrast_loss(model, thought.embedding[: c.spoken], spoken.ids, self.describing.share)
        right |= {"words": said.detach(), "contrast": contrast.detach()}
        return torch.stack(list(losses.values())).sum() + said + 0.5 * contrast, right

    def _recalled(self, model: Captioner, indices: np.ndarray, rng: np.random.Generator) -> Look:
        """Return what was seen of films, in tracks: of half of them as they are, of half as they are made out."""
        rows = torch.from_numpy(indices).to(next(model.parameters()).device)
        seen = {name: self.seen[name][rows].float() for name in SEEN}
        for name in ("whole", "shape", "shifts", "moved"):
            keep = torch.from_numpy(rng.random(seen[name].shape, np.float32) >= self.config.drop).to(rows.device)
            seen[name] = seen[name] * keep / (1 - self.config.drop)
        is_true = torch.from_numpy(rng.random(len(rows)) < 0.5).to(rows.device)[:, None]
        order = torch.where(is_true, self.seen["matched"][rows], self.seen["followed"][rows])
        texture = model.feel(self._details(indices[: self.config.detailed], rng))
        texture = torch.cat((texture, texture.new_zeros(len(rows) - len(texture), texture.shape[1])))
        return in_order(Look(**seen, texture=texture, found=texture.new_zeros(0)), order)

    def _details(self, indices: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return details of films `[n 3 H W]` in [-1, 1], spoilt as the films were."""
        films = self.describing.bank
        assert films is not None
        pictures = torch.from_numpy(films.details.take("detail", indices % len(films))).permute(0, 3, 1, 2)
        x = pictures.to(ceiling.device()).float() / 127.5 - 1
        return spoil(x[:, None], self._tags(indices), rng, scale=2)[:, 0]

    def _tags(self, indices: np.ndarray) -> list[tuple[str, ...]]:
        return [tuple(t for t, on in zip(TAGS, row, strict=True) if on) for row in self.seen["tags"][indices].tolist()]

    def _spoken(self, indices: np.ndarray, rng: np.random.Generator, device: torch.device) -> Spoken:
        """Return captions of films and of scenes that nobody draws; half of the films' writers see them."""
        films = self.describing.bank
        assert films is not None
        own = indices % len(films)
        boxes = films.small.take("boxes", own)
        scenes = [from_dict(films.small.values[i]["scene"]) for i in own]
        fields: list[Fields] = [fields_of(*one) for one in zip(scenes, boxes, self._tags(indices), strict=True)]
        return self.describing.captions(fields, rng).to(device)

    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Return the share of held-out films whose field is read right; subjects are searched for."""
        return self.describing.preview(model, folder, step)

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        return self.describing.ship(model, folder, facts)
