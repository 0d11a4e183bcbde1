"""The shipped cut-out model: what the subjects of one or two look like, on scenes that need not be drawn."""

from rushes.train.cut import CutConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import RunConfig
from rushes.world.scene import SceneFilters


def cutout() -> CutConfig:
    """About half an hour on one core."""
    return CutConfig(
        run=RunConfig(steps=1800, checkpoint_every=200, preview_every=500),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.02, ema=0.998),
        filters=SceneFilters(num_subjects_weights=(0.6, 0.4)),
    )


SPEC = cutout
