"""A subject of one's own, from 5 to 20 stills, for the shipped models: one small adapter."""

from rushes.nn.lora import LoraConfig
from rushes.train.optimizer import OptimizerConfig
from rushes.train.subject import SubjectConfig
from rushes.train.trainer import RunConfig
from rushes.world.scene import SceneFilters


def subject() -> SubjectConfig:
    """Minutes on one core; say data=FOLDER name=fox."""
    return SubjectConfig(
        run=RunConfig(steps=300, checkpoint_every=100, preview_every=150, init="weights/cutout", dtype="float32"),
        optimizer=OptimizerConfig(lr=1e-3, muon_lr=0.0, ema=0.98),
        lora=LoraConfig(rank=8, alpha=8.0, targets=("blocks.*.attention.*", "blocks.*.mlp.*", "out")),
        filters=SceneFilters(num_subjects_weights=(0.6, 0.4)),
    )


SPEC = subject
