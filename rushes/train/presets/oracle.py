"""The oracle that reads films, for evaluation."""

from rushes.models.oracle import OracleConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.presets.film import ONE_SUBJECT
from rushes.train.read import ReadConfig
from rushes.train.trainer import RunConfig


def oracle() -> ReadConfig:
    """About two hours on one core: the shipped oracle."""
    return ReadConfig(
        run=RunConfig(steps=5000, checkpoint_every=100, preview_every=200),
        optimizer=OptimizerConfig(lr=1.5e-3, muon_lr=0.01, ema=0.995),
        model=OracleConfig(),
        num=20480,
        still_share=0.37,
        filters=ONE_SUBJECT,
    )


SPEC = oracle
