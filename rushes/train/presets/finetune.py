"""The shipped film model, all of its weights, on the kept clips of a curated dataset."""

from rushes.train.finetune import FinetuneConfig, WindowConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import RunConfig


def finetune() -> FinetuneConfig:
    """Under an hour on two cores; name the dataset with data=DATASET."""
    return FinetuneConfig(
        run=RunConfig(steps=1000, checkpoint_every=100, preview_every=500, init="weights/film"),
        optimizer=OptimizerConfig(lr=2e-4, muon_lr=0.004, ema=0.995),
        windows=(WindowConfig(seconds=1, batch=24, share=0.6), WindowConfig(seconds=2, batch=12, share=0.4)),
    )


SPEC = finetune
