"""Train the autoencoder: fit its linear transform to the paper world, then teach its painter to invert it crisply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from rushes import config as configs
from rushes.data.banks import bank as banks
from rushes.data.banks.world_rows import PaintRows, patch_statistics
from rushes.models.autoencoder import HEADS, Autoencoder, AutoencoderConfig, lay_out, to_bytes, triples
from rushes.nn import weights
from rushes.train import ceiling
from rushes.train.optimizer import OptimizerConfig
from rushes.train.parallel.share import Share
from rushes.train.trainer import Objective, RunConfig, generator
from rushes.world import REVISION
from rushes.world.scene import SceneFilters


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintConfig:
    """`num_windows` windows fit the transform, `num` crops teach the painter; `noise` is the most that latents get."""

    run: RunConfig
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    model: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    filters: SceneFilters = field(default_factory=SceneFilters)
    num_windows: int = 600
    num: int = 2560
    batch: int = 4
    noise: float = 0.15
    edge_weight: float = 2.0
    banks: str = "runs/banks"
    workers: int = 2

    def objective(self) -> Objective:
        return PaintObjective(self)


class PaintObjective:
    """L1 on pixels, on their differences and at coarser scales, for every head."""

    def __init__(self, config: PaintConfig) -> None:
        self.config = config
        self.model: nn.Module = Autoencoder(config.model)
        if config.run.init:
            weights.load(self.model, Path(config.run.init), family="autoencoder")
            self.model.train().requires_grad_(True)
        self.share = Share()
        self.bank: banks.Bank | None = None
        self.held_out: banks.Bank | None = None

    def prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Fit the transform (unless the run starts from weights that have one) and build the banks."""
        c = self.config
        assert isinstance(self.model, Autoencoder)
        if not c.run.init:
            say(f"fitting the transform to {c.num_windows} windows")
            mean, covariance = patch_statistics(c.model, c.num_windows, 5, c.filters)
            self.model.transform.fit(covariance, mean)
        if c.run.steps:
            self.bank = self._bank("train", c.num, say)
            self.held_out = self._bank("test", banks.CHUNK, say)

    def _bank(self, split: str, num: int, say: Callable[[str], None]) -> banks.Bank:
        cell = self.config.model.cell
        seed = 2 if split == "train" else 98
        make = PaintRows(cell=cell, scale=max(HEADS) // cell, split=split, filters=self.config.filters, seed=seed)
        name = f"paint-{split}-{banks.key(configs.to_dict(make) | {'world': REVISION})}"

        def watch(done: int, wanted: int) -> None:
            say(f"bank {name}: {done} of {wanted} chunks")

        return banks.build(Path(self.config.banks) / name, num, make, workers=self.config.workers, watch=watch)

    def num_samples(self, step: int) -> int:
        return self.config.batch

    def _batch(self, model: Autoencoder, bank: banks.Bank, indices: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Return latent triples `[b 3c h w]`, frame indices `[b f]`, targets `[b*f 3 H W]` in [-1, 1]."""
        place = ceiling.device()
        view = torch.from_numpy(bank.take("view", indices)).to(place).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        with torch.no_grad():
            latent = model.transform.encode(view)
        joined = triples(latent).unflatten(0, (len(indices), -1))[:, 1]
        pictures = torch.from_numpy(bank.take("target", indices)).to(place).flatten(0, 1)
        target = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
        return joined, torch.from_numpy(bank.take("frames", indices)).to(place), target

    def loss(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, Autoencoder) and self.bank is not None
        c, random = self.config, generator(self.config.run.seed, step, device=ceiling.device())
        joined, frames, target = self._batch(model, self.bank, banks.order(len(self.bank), c.batch, c.run.seed, step))
        amount = torch.rand(len(joined), 1, 1, 1, generator=random, device=random.device) * 2 * c.noise - c.noise
        joined = joined + amount.clamp(min=0) * torch.randn(joined.shape, generator=random, device=random.device)
        joined, frames, target = self.share.of((joined, frames, target))
        features = model.features(joined, frames)
        figures: dict[str, Tensor] = {}
        total = torch.zeros((), device=target.device)
        for pixels in HEADS:
            few = slice(None) if pixels == max(HEADS) else slice(step % 3, None, 3)
            painted = lay_out(model.painter(features[few], pixels)).permute(0, 3, 1, 2).float()
            wanted = target[few]
            if pixels != max(HEADS):
                wanted = F.interpolate(wanted, painted.shape[2:], mode="area")
            error = painted - wanted
            edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
            coarse = F.avg_pool2d(error, 4).abs().mean()
            total = total + error.abs().mean() + c.edge_weight * edges + coarse
            figures[f"l1_{pixels}"] = error.detach().abs().mean()
        return total, figures

    @torch.inference_mode()
    def preview(self, model: nn.Module, folder: Path, step: int) -> dict[str, float]:
        """Save linear inverse, painted and true crops side by side; return PSNR on held-out crops."""
        assert isinstance(model, Autoencoder) and self.held_out is not None
        squares, rows = [], []
        for start in range(0, len(self.held_out), 16):
            joined, frames, target = self._batch(model, self.held_out, np.arange(start, start + 16))
            features = model.features(joined, frames)
            painted = lay_out(model.painter(features, max(HEADS))).permute(0, 3, 1, 2).clamp(-1, 1)
            squares.append((painted - target).square().mean((1, 2, 3)))
            if start == 0:
                middle = model.transform.decode(joined.unflatten(1, (3, -1))[:, 1][:, :, None])[:, :, 1]
                plain = F.interpolate(middle, target.shape[2:], mode="bicubic")
                rows = [torch.cat((plain[i], painted[3 * i], target[3 * i]), dim=2) for i in range(6)]
        sheet = torch.cat([torch.cat(rows[:3], dim=1), torch.cat(rows[3:], dim=1)], dim=2)
        Image.fromarray(to_bytes(sheet).permute(1, 2, 0).cpu().numpy()).save(folder / f"step-{step:07d}.png")
        psnr = -10 * torch.log10(torch.cat(squares) / 4)
        return {"held_out_psnr_db": float(psnr.mean())}

    def ship(self, model: nn.Module, folder: Path, facts: dict[str, Any]) -> Path:
        assert isinstance(model, Autoencoder)
        return weights.save(model, folder, family="autoencoder", config=model.config, facts=facts)
