"""Conditions: how a film in the making is kept in agreement with what is already known of it. No training is needed.

b batch, c channels, t h w latent grid, k latent frames of which something is known

At every step the clean estimate is corrected to agree with what is known, and what the correction says of one latent
frame is carried to the others as far as the noise leaves them open: much at first, when places are settled, and
nothing at the end, when only the model knows the details.
Source: replacement of the known part, RePaint (arXiv 2201.09865) and DDNM (arXiv 2212.00490, eq. 12-13), with the
posterior covariance of PiGDM (ICLR 2023, eq. 7) for a Gaussian process in time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rushes.diffusion.samplers import Velocity

LASTS = 20.0  # latent frames after which what is still has changed by 1/e
Turned = Callable[[Tensor, Tensor, int], Tensor]
Agree = Callable[[Tensor, float], Tensor]  # clean estimate [b c t h w], t -> the same, corrected


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of some latent frames: `missing(clean [b c k h w])` is what must be added to those `frames`."""

    frames: tuple[int, ...]
    missing: Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """How latents are spread before anything is seen: each channel's standard `deviation [c]`, and its `stillness [c]`.

    Stillness is the correlation of a channel from one latent frame to the next, in [0, 1].
    """

    deviation: Tensor
    stillness: Tensor

    def gain(self, num_frames: int, frames: Sequence[int], t: float) -> Tensor:
        """Return `[c num_frames k]`: what a correction of `frames` says of every frame at flow time t in (0, 1].

        With S a channel's covariance in time and s = t / (1 - t) the noise beside the film, what remains open is
        P = S - S (S + s^2 I)^-1 S, and the gain P[:, frames] P[frames, frames]^-1.
        """
        at = torch.arange(num_frames, dtype=torch.float64, device=self.deviation.device)
        lag = (at[:, None] - at).abs()
        likeness = self.stillness.double()[:, None, None] * torch.exp(-lag / LASTS)
        likeness = torch.where(lag == 0, 1.0, likeness)
        spread = likeness * self.deviation.double().square()[:, None, None]
        if t < 1:
            noise = (t / (1 - t)) ** 2 * torch.eye(num_frames, dtype=torch.float64, device=at.device)
            spread = spread - spread @ torch.linalg.solve(spread + noise, spread)
        chosen = list(frames)
        known = spread[:, chosen][:, :, chosen]
        known = known + 1e-9 * torch.eye(len(chosen), dtype=torch.float64, device=at.device)
        return torch.linalg.solve(known, spread[:, chosen]).mT.float()


def known(evidence: Sequence[Evidence], prior: Prior) -> Agree:
    """Return the correction that lets a film agree with all the evidence; no two may speak of one latent frame."""
    frames = [frame for each in evidence for frame in each.frames]
    assert len(set(frames)) == len(frames), frames

    def agree(clean: Tensor, t: float) -> Tensor:
        missing = torch.cat([each.missing(clean[:, :, list(each.frames)]) for each in evidence], dim=2)
        carried = torch.einsum("cnk,bckhw->bcnhw", prior.gain(clean.shape[2], frames, t), missing)
        carried[:, :, frames] = missing
        return clean + carried

    return agree


def outside(latent: Tensor, is_free: Tensor) -> Agree:
    """Return the correction that keeps a film `latent [b c t h w]` but where `is_free [h w]`."""

    def agree(clean: Tensor, t: float) -> Tensor:
        return torch.where(is_free, clean, latent)

    return agree


def agreeing(velocity: Velocity, agree: Agree) -> Velocity:
    """Return the velocity towards the corrected clean estimate."""

    def changed(x: Tensor, t: Tensor) -> Tensor:
        at = t.view(-1, 1, 1, 1, 1).to(x)
        clean = agree(x - at * velocity(x, t), float(t.flatten()[0]))
        return (x - clean) / at

    return changed


def turning(velocity: Turned, num_frames: int) -> Velocity:
    """Return the velocity of a film whose end runs into its beginning: every step sees it begin somewhere else.

    `velocity` takes the latent, the time and by how many latent frames the film was turned; of 0 frames none ever is.
    The places are spread evenly by the golden section. Source: latent shift, Mobius (arXiv 2502.20307, section 3.2).
    """
    step = 0

    def turned(x: Tensor, t: Tensor) -> Tensor:
        nonlocal step
        by = round(step * 0.618 * num_frames) % num_frames if num_frames else 0
        step += 1
        return velocity(x.roll(-by, dims=2), t, by).roll(by, dims=2)

    return turned
