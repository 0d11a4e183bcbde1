"""The captioner's eye: subjects are sought in single pictures, hundreds of thousands of them, and looked at closely."""

from rushes.train.describe import DescribeConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import RunConfig


def captioner_eye() -> DescribeConfig:
    """About an hour on one core, from the shipped weights; `captioner_mind` then learns from what it sees."""
    return DescribeConfig(
        run=RunConfig(steps=4500, checkpoint_every=250, preview_every=500, init="weights/captioner"),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.008, weight_decay=0.01, ema=0.995, decay=0.5),
        num=20480,
        still_share=1.0,
        sought=0.7,
        texts=0,
    )


SPEC = captioner_eye
