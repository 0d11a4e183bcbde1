"""What the oracle reads off the picture's shifts: motion, direction and camera, on top of the oracle as it is."""

from dataclasses import replace

from rushes.models.oracle import OracleConfig
from rushes.train.moves import MovesConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.presets.film import ONE_SUBJECT
from rushes.train.trainer import RunConfig


def oracle_moves() -> MovesConfig:
    """A quarter of an hour on one core, nearly all of it looking; from the weights of the preset `oracle`."""
    return MovesConfig(
        run=RunConfig(steps=6000, checkpoint_every=500, preview_every=1000, log_every=100, init="weights/oracle"),
        optimizer=OptimizerConfig(lr=2e-3, muon_lr=0.005, weight_decay=0.05, ema=0.995, decay=0.6),
        model=OracleConfig(moves=256),
        filters=replace(ONE_SUBJECT, durations_s=(1.0, 1.0, 3.0, 10.0)),  # what a second shows is hardest to read
        fps=8,
    )


SPEC = oracle_moves
