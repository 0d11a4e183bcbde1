"""Which encodes better at one budget: the fixed linear transform, or a strided convolutional encoder that learns?

Three arms train the same painter from the same start on the same crops, frames and noise, in turns in one process,
until each has spent `--budget-s` CPU seconds of one thread: the fixed transform, a learned encoder from random weights
and one that begins as the fixed transform. All latents have 160 channels per patch of 4 x 16 x 16 view pixels and unit
mean square, so noise harms all alike. A learned encoder is a strided convolution over whole patches plus a deep branch
of strided convolutions that sees beyond them; the linear inverse, from which the painter starts, learns with it and
has a loss of its own. Schedules follow the share of the budget that is spent.

Needs the banks of crops that a run of the `autoencoder` preset has built.
"""

import argparse
import copy
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from rushes.data.banks import bank as banks
from rushes.evaluate.metrics.reconstruction import edge_f1, psnr_db
from rushes.models.autoencoder import (
    Autoencoder,
    AutoencoderConfig,
    PatchTransform,
    Residual,
    lay_out,
    to_bytes,
    triples,
)
from rushes.train.optimizer import Optimizer, OptimizerConfig
from rushes.train.trainer import generator

PIXELS = 80  # per cell: the head that paints 720p
CELLS = 4  # a training crop's side; the bank's are 6
NOISE, EDGE_WEIGHT = 0.15, 2.0  # those of rushes.train.paint
ALONE = 0.25  # of its budget a random encoder learns its linear inverse alone: eight times the steps a second
GRAIN = 1000  # the schedule's steps: thousandths of the budget


class LearnedTransform(nn.Module):
    """Takes the fixed transform's place in an autoencoder; every matrix of it learns.

    What begins as the fixed transform is kept times the square root of a patch's size, so that the painter's learning
    rate refines it; random matrices learn at the same rate unscaled, which is sixty times faster. (Tried alone for
    120 steps, unscaled random matrices reach 24.1 dB and scaled ones 18.2 dB.)
    """

    rms: Tensor
    mean: Tensor

    def __init__(self, like: PatchTransform, is_random: bool) -> None:
        super().__init__()
        self.config, self.patches, self.unpatch = like.config, like.patches, like.unpatch
        size = like.basis.shape[1]
        into, out = like.basis / like.divisor[:, None], like.basis * like.divisor[:, None]
        if is_random:
            into = torch.linalg.qr(torch.randn(size, len(into)))[0].T
            out = into.clone()
        self.unit = 1.0 if is_random else size**-0.5
        self.into = nn.Parameter(into / self.unit)
        self.out = nn.Parameter(out / self.unit)
        self.register_buffer("mean", like.mean.clone())
        self.register_buffer("rms", torch.tensor(1.0))
        self.branch = nn.Sequential(
            nn.Conv2d(3 * like.config.window, 48, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(48, 96, 3, stride=2, padding=1), Residual(96), nn.ReLU(),
            nn.Conv2d(96, 160, 3, stride=2, padding=1), Residual(160), nn.ReLU(),
            nn.Conv2d(160, 192, 3, stride=2, padding=1), Residual(192), nn.ReLU(),
            nn.Conv2d(192, len(into), 1),
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # fmt: skip
        if not is_random:
            last = self.branch[-1]
            assert isinstance(last, nn.Conv2d) and last.bias is not None
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def encode(self, views: Tensor) -> Tensor:
        """`[b 3 T H W]` -> `[b c t h w]`, with a mean square that is held at 1."""
        b, _, frames, height, width = views.shape
        f = self.config.window
        linear = ((self.patches(views) - self.mean) @ (self.into * self.unit).T).permute(0, 4, 1, 2, 3)
        windows = views.unflatten(2, (frames // f, f)).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * f, height, width)
        deep = self.branch(windows.contiguous(memory_format=torch.channels_last))
        latent = linear + deep.unflatten(0, (b, -1)).transpose(1, 2)
        if self.training:
            square = latent.detach().square().mean()
            self.rms.copy_(square.sqrt() if float(self.rms) == 1.0 else self.rms.square().lerp(square, 0.02).sqrt())
        return latent / self.rms

    def decode(self, latent: Tensor) -> Tensor:
        """The linear inverse, `[b c t h w]` -> `[b 3 T H W]`."""
        return self.unpatch((latent.permute(0, 2, 3, 4, 1) * self.rms) @ (self.out * self.unit) + self.mean)


@dataclass(kw_only=True)
class Arm:
    """One of those that are compared; its encoder learns without the painter for the share `alone` of the budget."""

    name: str
    model: Autoencoder
    optimizer: Optimizer = field(init=False)
    alone: float = 0.0
    steps: int = 0
    cpu_s: float = 0.0

    def __post_init__(self) -> None:
        config = OptimizerConfig(lr=1.5e-3, muon_lr=0.0, ema=0.99, decay=0.5)
        self.optimizer = Optimizer(self.model.train(), config)

    def averaged(self) -> Autoencoder:
        """Return the model with its averaged weights."""
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.optimizer.average, strict=False)
        return model.eval().requires_grad_(False)


def take(bank: banks.Bank, indices: np.ndarray, corner: tuple[int, int], cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return views `[b 3 12 H W]`, frame numbers `[b f]` and pictures `[b*f 3 H W]` of a window of some crops."""
    (top, left), pixels = corner, 16
    view = bank.take("view", indices)
    view = view[:, :, top * pixels : (top + cells) * pixels, left * pixels : (left + cells) * pixels]
    target = bank.take("target", indices)
    target = target[:, :, top * PIXELS : (top + cells) * PIXELS, left * PIXELS : (left + cells) * PIXELS]
    views = torch.from_numpy(view).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    pictures = torch.from_numpy(target).flatten(0, 1).permute(0, 3, 1, 2).float() / 127.5 - 1
    return views, torch.from_numpy(bank.take("frames", indices)), pictures


def train_step(arm: Arm, bank: banks.Bank, arguments: argparse.Namespace) -> float:
    """Step one arm; crops, frames and noise follow from (seed, step) alone."""
    began = time.process_time()
    seed, step, model = arguments.seed, arm.steps, arm.model
    rng = np.random.default_rng((seed, step, 9))
    corner = (int(rng.integers(0, 7 - CELLS)), int(rng.integers(0, 7 - CELLS)))
    views, frames, target = take(bank, banks.order(len(bank), arguments.batch, seed, step), corner, CELLS)
    latent = model.transform.encode(views.contiguous())
    total = torch.zeros(())
    if isinstance(model.transform, LearnedTransform):
        total = (model.transform.decode(latent) - views).abs().mean()
    if arm.cpu_s >= arm.alone * arguments.budget_s:
        total = total + painting_loss(model, latent, frames, target, generator(seed, step))
    total.backward()
    arm.optimizer.step(min(GRAIN - 1, int(GRAIN * arm.cpu_s / arguments.budget_s)), GRAIN)
    arm.steps += 1
    arm.cpu_s += time.process_time() - began
    return float(total.detach())


def painting_loss(
    model: Autoencoder, latent: Tensor, frames: Tensor, target: Tensor, random: torch.Generator
) -> Tensor:
    """Return the loss of `rushes.train.paint` at 80 pixels per cell, for the middle half-seconds."""
    joined = triples(latent).unflatten(0, (len(latent), -1))[:, 1]
    amount = torch.rand(len(joined), 1, 1, 1, generator=random) * 2 * NOISE - NOISE
    joined = joined + amount.clamp(min=0) * torch.randn(joined.shape, generator=random)
    painted = lay_out(model.painter(model.features(joined, frames), PIXELS)).permute(0, 3, 1, 2)
    error = painted - target
    edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
    return error.abs().mean() + EDGE_WEIGHT * edges + nn.functional.avg_pool2d(error, 4).abs().mean()


@torch.inference_mode()
def score(model: Autoencoder, bank: banks.Bank, num: int) -> dict[str, np.ndarray]:
    """Return PSNR and edge-F1 of what is painted at 5x and PSNR of the linear inverse at the view's size, per crop."""
    rows: dict[str, list[float]] = {"psnr_db": [], "edge_f1": [], "view_psnr_db": []}
    for index in range(num):
        views, frames, target = take(bank, np.array([index]), (0, 0), 6)
        latent = model.transform.encode(views.contiguous())
        joined = triples(latent).unflatten(0, (1, -1))[:, 1]
        painted = lay_out(model.painter(model.features(joined, frames), PIXELS)).permute(0, 3, 1, 2)
        pairs = list(zip(_pictures(painted), _pictures(target), strict=True))
        rows["psnr_db"].append(float(np.mean([psnr_db(*pair) for pair in pairs])))
        rows["edge_f1"].append(float(np.mean([edge_f1(*pair) for pair in pairs])))
        shown = _pictures(model.transform.decode(latent)[0].transpose(0, 1))
        true = _pictures(views[0].transpose(0, 1))
        rows["view_psnr_db"].append(float(np.mean([psnr_db(*pair) for pair in zip(shown, true, strict=True)])))
    return {name: np.array(values) for name, values in rows.items()}


def _pictures(x: Tensor) -> np.ndarray:
    return to_bytes(x).permute(0, 2, 3, 1).numpy()


@torch.inference_mode()
def sheet(models: list[Autoencoder], bank: banks.Bank, path: Path) -> None:
    """Lay out a column per arm and the truth, a row per crop."""
    rows = []
    for index in (3, 10, 17):
        views, frames, target = take(bank, np.array([index]), (0, 0), 6)
        row = []
        for model in models:
            joined = triples(model.transform.encode(views.contiguous())).unflatten(0, (1, -1))[:, 1]
            row.append(lay_out(model.painter(model.features(joined, frames[:, :1]), PIXELS))[0])
        rows.append(torch.cat([*row, target[0].permute(1, 2, 0)], dim=1))
    Image.fromarray(to_bytes(torch.cat(rows)).numpy()).save(path)


def build_arms(seed: int) -> list[Arm]:
    """Return the three arms; their painters begin equal."""
    fitted = Autoencoder.from_pretrained(Path("weights/autoencoder")).transform
    torch.manual_seed(seed)
    fresh = Autoencoder(AutoencoderConfig())
    arms = []
    for name, is_random in (("fixed transform", None), ("learned, from random", True), ("learned, from it", False)):
        model = copy.deepcopy(fresh)
        torch.manual_seed(seed + 1)
        model.transform = copy.deepcopy(fitted) if is_random is None else LearnedTransform(fitted, is_random)  # type: ignore[assignment]
        arms.append(Arm(name=name, model=model, alone=ALONE if is_random else 0.0))
    return arms


def train(arms: list[Arm], bank: banks.Bank, arguments: argparse.Namespace) -> None:
    """Step the arms in turns, always the one that has spent least, until all have spent the budget."""
    began = time.monotonic()
    while (arm := min(arms, key=lambda arm: arm.cpu_s)).cpu_s < arguments.budget_s:
        loss = train_step(arm, bank, arguments)
        if arm.steps % 25 == 0:
            spent = time.monotonic() - began
            print(f"{arm.name} step {arm.steps} loss {loss:.4f} cpu {arm.cpu_s:.0f} s wall {spent:.0f} s", flush=True)


def report(scores: dict[str, dict[str, np.ndarray]], steps: dict[str, int]) -> None:
    """Print a row per arm, with what it has more than the fixed transform, paired by crop."""
    fixed = scores["fixed transform"]
    print("\n| arm | steps | PSNR at 5x | against fixed | edge-F1 | against fixed | PSNR of the view |")
    print("|---|---|---|---|---|---|---|")
    for name, rows in scores.items():
        cells = [name, str(steps.get(name, 0))]
        for key, form in (("psnr_db", ".2f"), ("edge_f1", ".3f")):
            gap = rows[key] - fixed[key]
            cells += [f"{rows[key].mean():{form}}", f"{gap.mean():+{form}} ± {gap.std() / len(gap) ** 0.5:{form}}"]
        print("| " + " | ".join([*cells, f"{rows['view_psnr_db'].mean():.2f}"]) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True, help="crops of the training split")
    parser.add_argument("--held-out", type=Path, required=True, help="crops of the test split")
    parser.add_argument("--folder", type=Path, default=Path("runs/compare_autoencoders"))
    parser.add_argument("--budget-s", type=float, default=240)
    parser.add_argument("--num", type=int, default=2560)
    parser.add_argument("--crops", type=int, default=64, help="held-out crops to score, three frames each")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    bank = banks.Bank.open(arguments.bank, arguments.num)
    held_out = banks.Bank.open(arguments.held_out, 128)
    arms = build_arms(arguments.seed)
    untaught = copy.deepcopy(arms[0].model).eval()
    train(arms, bank, arguments)
    models = {arm.name: arm.averaged() for arm in arms}
    scores = {name: score(model, held_out, arguments.crops) for name, model in models.items()}
    scores["fixed transform, painter untaught"] = score(untaught, held_out, arguments.crops)
    report(scores, {arm.name: arm.steps for arm in arms})
    sheet(list(models.values()), held_out, arguments.folder / f"sheet-{arguments.seed}.png")
    means = {name: {key: float(values.mean()) for key, values in rows.items()} for name, rows in scores.items()}
    facts = {"cpu_s": {arm.name: arm.cpu_s for arm in arms}, "steps": {arm.name: arm.steps for arm in arms}} | means
    (arguments.folder / f"facts-{arguments.seed}.json").write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
