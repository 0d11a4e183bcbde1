"""The shipped backdrop model: what places look like at every hour and in every weather, and how far away all is."""

from rushes.models.backdrop import BackdropConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.stage import StageConfig
from rushes.train.trainer import RunConfig
from rushes.world.scene import SceneFilters


def backdrop() -> StageConfig:
    """About an hour on one core."""
    return StageConfig(
        run=RunConfig(steps=3000, checkpoint_every=200, preview_every=500),
        model=BackdropConfig(structure=True),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.02, ema=0.998),
        filters=SceneFilters(num_subjects_weights=(0.7, 0.3)),
    )


SPEC = backdrop
