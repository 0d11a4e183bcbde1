"""The captioner, on the full breadth of the paper world."""

from rushes.train.describe import DescribeConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import RunConfig


def captioner() -> DescribeConfig:
    """About three hours on one core."""
    return DescribeConfig(
        run=RunConfig(steps=4000, checkpoint_every=100, preview_every=400),
        optimizer=OptimizerConfig(lr=1.2e-3, muon_lr=0.01, ema=0.997),
    )


SPEC = captioner
