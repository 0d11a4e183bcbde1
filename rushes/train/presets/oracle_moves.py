"""What the oracle reads off the picture's shifts: motion, direction and camera, on top of the oracle as it is."""

from dataclasses import replace

from rushes.models.oracle import OracleConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.presets.oracle import oracle
from rushes.train.read import ReadConfig
from rushes.train.trainer import RunConfig


def oracle_moves() -> ReadConfig:
    """About forty minutes on one core, from the oracle's weights."""
    return replace(
        oracle(),
        run=RunConfig(steps=3000, checkpoint_every=100, preview_every=300, init="weights/oracle"),
        optimizer=OptimizerConfig(lr=2e-3, muon_lr=0.01, weight_decay=0.05, ema=0.995, decay=0.6),
        model=OracleConfig(moves=256),
        batch=32,
        still_share=0.0,
        only_moves=True,
    )


SPEC = oracle_moves
