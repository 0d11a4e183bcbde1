"""An adapter for the shipped film model that folds guidance in, so that a step costs one pass instead of two."""

from dataclasses import replace

from rushes.nn.lora import LoraConfig
from rushes.train.fold import FoldConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.presets.film_thin import film_thin
from rushes.train.trainer import RunConfig


def film_folded() -> FoldConfig:
    """About half an hour on one core, from the shipped weights."""
    thin = film_thin()
    return FoldConfig(
        run=RunConfig(steps=800, checkpoint_every=100, preview_every=400, init="weights/film"),
        optimizer=OptimizerConfig(lr=2e-3, muon_lr=0.0, weight_decay=0.0, ema=0.99),
        model=thin.model,
        buckets=tuple(replace(bucket, batch=bucket.batch // 2) for bucket in thin.buckets),
        filters=thin.filters,
        subject_weight=thin.subject_weight,
        lora=LoraConfig(rank=64),
    )


SPEC = film_folded
