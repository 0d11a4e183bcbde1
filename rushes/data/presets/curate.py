"""The curation that everything starts from: every stage that needs no network, and cuts for footage to train on."""

from rushes.data.select import SelectConfig
from rushes.data.settings import CurateConfig

STAGES = ("motion", "camera", "sharpness", "exposure", "freeze", "letterbox", "hash", "text")
CUTS = {
    "too small": "least(width_px, height_px) >= 256",
    "too few frames per second": "fps >= 15.9",
    "odd shape": "width_px / height_px between 0.33 and 3",
    "too few bits": "sources.num_bytes * 8.0 / (sources.num_frames * sources.width_px * sources.height_px) >= 0.02",
    "too static": "motion.mean >= 0.0001",
    "frozen": "freeze.share <= 0.5",
    "blurred": "sharpness.median >= 20",
    "black": "exposure.black <= 0.2",
    "blown": "exposure.blown <= 0.2",
    "bars": "letterbox.remaining >= 0.75",
    "text": "text.area_share <= 0.07",
}


def curate() -> CurateConfig:
    """Measure everything that a CPU measures at the speed of decoding; drop what no model should learn."""
    return CurateConfig(stages=dict.fromkeys(STAGES, ""), select=SelectConfig(cuts=dict(CUTS)))


SPEC = curate
