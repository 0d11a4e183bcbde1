"""The shipped layout model: where one or two subjects go, on scenes that need not be drawn."""

from rushes.train.optimizer import OptimizerConfig
from rushes.train.plan import PlanConfig
from rushes.train.trainer import RunConfig
from rushes.world.scene import SceneFilters


def layout() -> PlanConfig:
    """About forty minutes on one core."""
    return PlanConfig(
        run=RunConfig(steps=1500, checkpoint_every=200, preview_every=500),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.02, ema=0.998),
        filters=SceneFilters(num_subjects_weights=(0.7, 0.3), still_camera=0.7),
    )


SPEC = layout
