"""Train what the oracle reads off the picture's shifts: motion, direction and camera; the rest stays as it is.

The oracle looks at every film once or twice and what it sees is kept; the layers on top learn from that in minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rushes.data.banks import bank as banks
from rushes.models.oracle import ATTRIBUTES, MOVING, Oracle, OracleConfig, shifted
from rushes.train import ceiling
from rushes.train.optimizer import OptimizerConfig
from rushes.train.read import ReadConfig, ReadObjective, batch_of, spoil
from rushes.train.trainer import Objective, RunConfig, generator
from rushes.world.scene import SceneFilters

AT_ONCE = 32
KEPT = "seen.safetensors"
TRAINED = ("moves.", "told.")


@dataclass(frozen=True, slots=True, kw_only=True)
class MovesConfig:
    """`looks` is how often each film is looked at, spoilt another way each time; the rest is as in ReadConfig."""

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    model: OracleConfig = field(default_factory=lambda: OracleConfig(moves=256))
    filters: SceneFilters = field(default_factory=SceneFilters)
    fps: int = 0
    num: int = 20480
    batch: int = 128
    looks: int = 1
    drop: float = 0.2
    blur: float = 0.3
    banks: str = "runs/banks"
    workers: int = 2

    def objective(self) -> Objective:
        return MovesObjective(self)


class MovesObjective:
    """Cross-entropy of motion, direction and camera, from what a frozen oracle saw of the films."""

    def __init__(self, config: MovesConfig) -> None:
        self.config = config
        shared = {
            name: getattr(config, name)
            for name in ("run", "model", "filters", "fps", "num", "blur", "banks", "workers")
        }
        self.reading = ReadObjective(ReadConfig(**shared))
        self.model: nn.Module = self.reading.model
        for name, weight in self.model.named_parameters():
            weight.requires_grad_(name.startswith(TRAINED))
        self.seen: dict[str, Tensor] = {}

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        self.reading.prepare(folder, say)
        kept = folder / KEPT
        if not kept.is_file():
            draft = kept.with_suffix(".draft")
            save_file(self._look(say), draft)
            draft.replace(kept)
        self.seen = {name: tensor.to(ceiling.device()) for name, tensor in load_file(kept).items()}

    @torch.inference_mode()
    def _look(self, say: Callable[[str], None]) -> dict[str, Tensor]:
        """Return the tokens of the attributes, the shifts and the labels of every look at every film."""
        bank, model = self.reading.bank, self.model
        assert bank is not None and isinstance(model, Oracle)
        rows: dict[str, list[Tensor]] = {name: [] for name in ("tokens", "moved", *MOVING)}
        for look in range(self.config.looks):
            for start in range(0, len(bank), AT_ONCE):
                indices = torch.arange(start, min(start + AT_ONCE, len(bank))).numpy()
                frames, times, durations, labels = batch_of(bank, indices)
                random = generator(self.config.run.seed + 1 + look, start, device=ceiling.device())
                pictures = spoil(frames, random, self.config.blur)
                tokens = model.tokens(pictures, times, durations)[:, : len(ATTRIBUTES)]
                found = {"tokens": tokens.half(), "moved": shifted(pictures, times).half()}
                for name, tensor in (found | {a: labels[a] for a in MOVING}).items():
                    rows[name].append(tensor.cpu())
                if start % (64 * AT_ONCE) == 0:
                    say(f"look {look + 1} of {self.config.looks}: film {start} of {len(bank)}")
        return {name: torch.cat(tensors) for name, tensors in rows.items()}

    def num_samples(self, step: int) -> int:
        return self.config.batch

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, Oracle)
        config, num = self.config, len(self.seen["tokens"])
        indices = torch.from_numpy(banks.order(num, config.batch, config.run.seed, step)).to(self.seen["tokens"].device)
        random = generator(config.run.seed, step, device=indices.device)
        tokens, moved = self.seen["tokens"][indices].float(), self.seen["moved"][indices].float()
        keep = torch.rand(moved.shape, generator=random, device=moved.device) >= config.drop
        logits = model.answer(tokens, moved * keep / (1 - config.drop))
        labels = {a: self.seen[a][indices] for a in MOVING}
        losses = [F.cross_entropy(logits[a].float(), labels[a], label_smoothing=0.02) for a in MOVING]
        right = {f"right_{a}": (logits[a].argmax(1) == labels[a]).float().mean() for a in MOVING}
        return torch.stack(losses).sum(), right

    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Return the share of held-out films whose attribute is read right."""
        return self.reading.preview(model, folder, step)

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        return self.reading.ship(model, folder, facts)
