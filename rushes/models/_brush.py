"""The painter's fine half as films are painted with it: the sums that it was trained to do, in half the work.

f frames, H W pixels at 16 per cell, e the painter's channels there, k x k pixels painted for each, r directions
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TOLERATED = 0.1  # levels of 256, rms, between the head and its directions; rounding to whole levels alone is 0.29
TOGETHER = 8  # channels that a processor multiplies at once


class Fine(Protocol):
    """The layers of a painter that see pixels."""

    moving: nn.Module
    grow8: nn.Conv2d
    middle: nn.Module
    grow16: nn.Conv2d
    join: nn.Conv2d
    fine: nn.Module


class Brush:
    """A painter's layers from 4 pixels per cell up to one of its heads, joined where nothing bends between them.

    `grow16`, the shuffle after it and what `join` makes of them are one transposed convolution. The k x k colours of
    a pixel hardly differ but in a few directions, so the head is a convolution to those and an enlargement of them,
    which leaves rows of a picture as they are shown.
    """

    def __init__(self, painter: Fine, head: nn.Conv2d, seen: Tensor, size: tuple[int, int]) -> None:
        """`seen [f e+3 . .]` is some of what the head will see, which tells its directions; `size` is H and W."""
        self._painter = painter
        self._grow, self._views, self._still = _joined(painter, *size)
        directions = _directions(head(seen) * 127.5)
        self.enlarges = k = round((len(directions) / 3) ** 0.5)
        self.num_directions = directions.shape[1]
        flat = directions.T @ head.weight.flatten(1) * 127.5
        self._narrow = _packed(flat.unflatten(1, head.weight.shape[1:]))
        self._offset = directions.T @ _bias(head) * 127.5
        rows = directions.T.unflatten(1, (k, k * 3)).transpose(1, 2)  # of the k x k block of a pixel
        self._enlarge = _packed(rows[..., None])
        self._middle = torch.full((3 * k,), 128.0, device=seen.device)

    def paint(self, coarse: Tensor, views: Tensor) -> Tensor:
        """Return pictures, float32 levels `[f k*H k*W 3]` in [0, 256), of frames `[f c H/4 W/4]` of a timeline.

        `views [f 6 H W]` are the linear inverse at the two nearest encoded frames.
        """
        painter = self._painter
        x = F.pixel_shuffle(painter.grow8(painter.moving(_packed(coarse))), 2)
        x = F.conv_transpose2d(painter.middle(x), self._grow, stride=2, padding=1)
        x = x.add_(F.conv2d(views, self._views, padding=1)).add_(self._still)
        x = torch.cat((F.relu_(painter.fine(x)), views[:, :3]), dim=1)
        x = F.conv2d(x, self._narrow, self._offset, padding=1)
        x = F.conv_transpose2d(x, self._enlarge, self._middle, stride=(self.enlarges, 1))
        return x.clamp_(0, 255).permute(0, 2, 3, 1).unflatten(3, (-1, 3)).flatten(2, 3)


def _joined(painter: Fine, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return `grow16`, the shuffle and `join` as one transposed convolution `[d e 4 4]`, and `join` of the views.

    The third is what they add whatever is painted, `[1 e H W]`: at the borders it is not the same everywhere.
    """
    grow, join = painter.grow16.weight[:, :, 0, 0].unflatten(0, (-1, 2, 2)), painter.join.weight
    grown, views = join.split((len(grow), join.shape[1] - len(grow)), dim=1)
    whole = torch.zeros(grow.shape[-1], len(join), 4, 4, device=join.device, dtype=join.dtype)
    for row in range(2):  # each of the four pixels that one becomes is seen by three by three
        for column in range(2):
            part = torch.einsum("oeyx,ed->doyx", grown.flip(2, 3), grow[:, row, column])
            whole[:, :, row : row + 3, column : column + 3] += part
    bias = _bias(painter.grow16).view(1, -1, 1, 1).expand(1, -1, height // 2, width // 2)
    still = F.conv2d(F.pixel_shuffle(bias, 2), grown, painter.join.bias, padding=1)
    return _packed(whole), _packed(views), _packed(still)


def _directions(painted: Tensor) -> Tensor:
    """Return the fewest orthonormal directions `[n r]` that hold `painted [f n H W]` up to what is tolerated."""
    values = painted.transpose(0, 1).flatten(1).cpu().double()
    energy, found = torch.linalg.eigh(values @ values.T / values.numel())
    left_out = energy.clamp(min=0).cumsum(0)
    needed = int((left_out > TOLERATED**2).sum())
    kept = min(len(found), -(-needed // TOGETHER) * TOGETHER)
    return found.flip(1)[:, : max(1, kept)].float().to(painted.device)


def _packed(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
