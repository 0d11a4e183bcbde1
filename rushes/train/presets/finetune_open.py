"""An adapter for an open-weight model, from a dataset's clips or a folder of stills and films."""

from rushes.train.finetune_open import OpenFinetuneConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import RunConfig


def finetune_open() -> OpenFinetuneConfig:
    """Name the model with model=wan2.1-1.3b, what it learns with data=FOLDER; lora.rank=0 teaches all weights."""
    return OpenFinetuneConfig(
        run=RunConfig(steps=1000, checkpoint_every=100, preview_every=250),
        optimizer=OptimizerConfig(lr=1e-4, muon_lr=0.0, weight_decay=0.0, ema=0.99),
    )


SPEC = finetune_open
