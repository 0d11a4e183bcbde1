"""Train the oracle on the paper world's own labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes import config as configs
from rushes.data.banks import bank as banks
from rushes.data.banks.world_rows import FrameRows
from rushes.models.oracle import (
    ATTRIBUTES,
    HEIGHT,
    NUM_FRAMES,
    STATIC,
    WIDTH,
    Oracle,
    OracleConfig,
    reading_times,
    shifted,
)
from rushes.nn import weights
from rushes.train import ceiling
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.trainer import Objective, RunConfig, generator
from rushes.world import REVISION
from rushes.world import vocabulary as v
from rushes.world.render import subject_mask
from rushes.world.scene import SceneFilters, from_dict

LABELS = {
    "kind": v.KINDS,
    "colour": tuple(v.COLOURS),
    "size": tuple(v.SIZES),
    "place": v.PLACES,
    "time": v.TIMES,
    "weather": v.WEATHERS,
    "motion": v.MOTIONS,
    "direction": v.DIRECTIONS,
    "camera": v.CAMERAS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConfig:
    """The first `still_share` of the steps reads two frames of each of `still_batch` films, the rest all twelve.

    Films have `fps` frames a second; where it is 0, as many as are read.
    """

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    model: OracleConfig = field(default_factory=OracleConfig)
    filters: SceneFilters = field(default_factory=SceneFilters)
    fps: int = 0
    num: int = 10240
    batch: int = 10
    still_batch: int = 48
    still_share: float = 0.5
    blur: float = 0.3
    banks: str = "runs/banks"
    workers: int = 2

    def objective(self) -> Objective:
        return ReadObjective(self)


class ReadObjective:
    """Cross-entropy of every attribute; blurred and noisy copies keep the oracle calm before imperfect films."""

    def __init__(self, config: ReadConfig) -> None:
        self.config = config
        labels = tuple("|".join(LABELS[a]) for a in ATTRIBUTES)
        self.model: nn.Module = Oracle(replace(config.model, labels=labels))
        if config.run.init:
            weights.load(self.model, Path(config.run.init), family="oracle", missing=("moves.", "told."))
            self.model.train().requires_grad_(True)
        self.share = Share()
        self.bank: banks.Bank | None = None
        self.held_out: banks.Bank | None = None

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        self.bank = self._bank("train", 3, self.config.num, say)
        self.held_out = self._bank("test", 97, 4 * banks.CHUNK, say)

    def _bank(self, use: str, seed: int, num: int, say: Callable[[str], None]) -> banks.Bank:
        make = FrameRows(filters=self.config.filters, seed=seed, fps=self.config.fps)
        name = f"frames-{use}-{banks.key(configs.to_dict(make) | {'world': REVISION})}"

        def watch(done: int, wanted: int) -> None:
            if done % 20 == 0 or done == wanted:
                say(f"bank {name}: {done} of {wanted} chunks")

        return banks.build(Path(self.config.banks) / name, num, make, workers=self.config.workers, watch=watch)

    def _reads_stills(self, step: int) -> bool:
        return step < self.config.still_share * self.config.run.steps

    def num_samples(self, step: int) -> int:
        return self.config.still_batch if self._reads_stills(step) else self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        assert self.bank is not None
        c, stills = self.config, self._reads_stills(step)
        random = generator(c.run.seed, step, device=ceiling.device())
        indices = banks.order(len(self.bank), self.num_samples(step), c.run.seed + stills, step)
        frames, times, durations, labels = batch_of(self.bank, indices)
        if stills:
            keys = torch.rand(len(indices), NUM_FRAMES, generator=random, device=random.device)
            picks, rows = keys.argsort(1)[:, :2], torch.arange(len(indices), device=random.device)[:, None]
            frames, times = frames[rows, picks], times[rows, picks]
        batch = (indices, spoil(frames, random, c.blur), times, durations, labels)
        indices, pictures, times, durations, labels = self.share.of(batch)
        assert isinstance(model, Oracle)
        flat = pictures.flatten(0, 1).to(next(model.parameters()).dtype).contiguous(memory_format=torch.channels_last)
        seen, sought = model.see(flat)
        tokens = model.think(seen.unflatten(0, pictures.shape[:2]), times, durations)
        logits = model.answer(tokens, None if stills else shifted(pictures, times))
        where = _where(self.bank, indices, times.cpu().numpy(), *sought.shape[1:]).to(sought.device)
        astray = -(where * sought.clamp(min=1e-8).log()).sum((1, 2))
        losses = {
            a: F.cross_entropy(logits[a].float(), labels[a], label_smoothing=0.02)
            for a in (STATIC if stills else ATTRIBUTES)
        }
        right = {f"right_{a}": (logits[a].argmax(1) == labels[a]).float().mean() for a in losses}
        right["astray"] = astray.detach().mean()
        return torch.stack(list(losses.values())).sum() + astray.mean(), right

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Return the share of held-out films whose attribute is read right."""
        assert self.held_out is not None
        right: dict[str, list[Tensor]] = {a: [] for a in ATTRIBUTES}
        for start in range(0, len(self.held_out), 32):
            frames, times, durations, labels = batch_of(self.held_out, np.arange(start, start + 32))
            logits = model(frames.float() / 127.5 - 1, times, durations)
            for a in ATTRIBUTES:
                right[a].append((logits[a].argmax(1) == labels[a]).float())
        return {f"held_out_{a}": float(torch.cat(hits).mean()) for a, hits in right.items()}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        assert isinstance(model, Oracle)
        return weights.save(model, folder, family="oracle", config=model.config, facts=facts)


def labels_of(scene: dict[str, Any]) -> dict[str, int]:
    """Return the label of each attribute of a scene (as JSON) with one subject."""
    words = {**scene, **scene["subjects"][0]}
    return {a: LABELS[a].index(words[a]) for a in ATTRIBUTES}


def batch_of(bank: banks.Bank, indices: np.ndarray) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """Return frames uint8 `[b 12 3 H W]`, times `[b 12]`, durations `[b]` and labels `[b]` by attribute."""
    place = ceiling.device()
    frames = torch.from_numpy(bank.take("frames", indices)).to(place).permute(0, 1, 4, 2, 3)
    scenes = [bank.values[i]["scene"] for i in indices]
    durations = [scene["duration_s"] for scene in scenes]
    times = torch.from_numpy(np.stack([reading_times(d) for d in durations])).float().to(place)
    labels = [labels_of(scene) for scene in scenes]
    words = {a: torch.tensor([x[a] for x in labels], device=place) for a in ATTRIBUTES}
    return frames, times, torch.tensor(durations, device=place), words


def _where(bank: banks.Bank, indices: np.ndarray, times_s: np.ndarray, rows: int, columns: int) -> Tensor:
    """Return where the subjects are, `[b*f rows columns]`: shares of 1 per frame, or 0 where none is in sight."""
    masks = [
        subject_mask(from_dict(bank.values[i]["scene"]), rows=rows, cols=columns, height=HEIGHT, width=WIDTH, times_s=t)
        for i, t in zip(indices, times_s, strict=True)
    ]
    covered = torch.from_numpy(np.concatenate(masks))
    total = covered.sum((1, 2), keepdim=True)
    return covered / total.clamp(min=1e-6) * (total > 0.2)


def spoil(frames: Tensor, random: torch.Generator, blur: float) -> Tensor:
    """Return frames in [-1, 1]; a share `blur` of the batches is downscaled and noisy, all are shifted a few pixels."""
    b, f, _, h, w = frames.shape
    x = frames.flatten(0, 1).float() / 127.5 - 1
    is_spoilt, share, noise, down, across = torch.rand(5, generator=random, device=random.device).tolist()
    if is_spoilt < blur:
        x = F.interpolate(x, scale_factor=0.4 + 0.5 * share, mode="bilinear", antialias=True)
        x = F.interpolate(x, (h, w), mode="bilinear")
        x = x + 0.08 * noise * torch.randn(x.shape, generator=random, device=random.device)
    top, left = int(down * 7) + 1, int(across * 7) + 1
    x = F.pad(x, (4, 4, 4, 4), mode="replicate")[:, :, top : top + h, left : left + w]
    return x.unflatten(0, (b, f))
