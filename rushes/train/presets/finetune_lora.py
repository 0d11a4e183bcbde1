"""An adapter of about 1 MB for the shipped film model, on the kept clips of a curated dataset."""

from dataclasses import replace

from rushes.nn.lora import LoraConfig
from rushes.train.finetune import FinetuneConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.presets.finetune import finetune


def finetune_lora() -> FinetuneConfig:
    """Name the dataset with data=DATASET; the adapter's rank with lora.rank=8."""
    return replace(
        finetune(),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.0, weight_decay=0.0, ema=0.995),
        lora=LoraConfig(rank=8),
    )


SPEC = finetune_lora
