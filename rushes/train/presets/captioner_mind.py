"""What the captioner makes of what it sees, on top of the eye that the preset `captioner_eye` gave it."""

from rushes.train.mind import MindConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.trainer import RunConfig


def captioner_mind() -> MindConfig:
    """About an hour on one core, a third of it looking; from the weights of the preset `captioner_eye`."""
    return MindConfig(
        run=RunConfig(steps=4000, checkpoint_every=250, preview_every=500, init="runs/captioner_eye/weights"),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.008, weight_decay=0.03, ema=0.997, decay=0.5),
    )


SPEC = captioner_mind
