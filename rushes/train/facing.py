"""Which way the stills of one subject face: those that face the other way than most are found, to be turned."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

GRID = 12  # cells of the pictures that are compared, a side: poses differ in more than that
CLEAR = 0.1  # mean cosine with the others from which on a still's side is taken for seen


def turned(pictures: Tensor) -> list[bool]:
    """Return which of the cut-outs `[n 4 p p]` (RGBA, colours times alpha) face the other way than most.

    What is left of a picture without its mirror image changes its sign where it is mirrored; so pictures that face one
    way have these parts in common, and the first eigenvector of their cosines says who faces which. Subjects that look
    alike from both sides are left as they are, and so is half against half.
    """
    x = F.adaptive_avg_pool2d(pictures.float(), GRID)
    side = F.normalize((x - x.flip(-1)).flatten(1), dim=1)
    cosines = side @ side.mT
    signs = torch.linalg.eigh(cosines).eigenvectors[:, -1].sign()
    signs = signs * (1 if float(signs.sum()) >= 0 else -1)
    others = (cosines * signs).sum(1) - cosines.diagonal() * signs
    agreement = signs * others / max(1, len(pictures) - 1)
    return [bool(one) for one in (signs < 0) & (agreement > CLEAR) & (signs.sum() > 0)]
