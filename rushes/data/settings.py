"""What a dataset is made by: the config of a curation, and the keys under which its parts are kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from rushes import config as configs
from rushes.data.decode.analysis import AnalysisConfig
from rushes.data.packing.cut import CutConfig
from rushes.data.select import SelectConfig
from rushes.data.shots import ShotConfig
from rushes.errors import InputError

FORMAT = 1  # of the dataset on disk
ANALYSIS_VERSION = 2  # raised when the same film would give other signals
CUT_VERSION = 2  # raised when the same signals would give other clips


@dataclass(frozen=True, slots=True, kw_only=True)
class PackConfig:
    """How a dataset lies on disk: shards close at `shard_mb`, batches of intake have at most `batch_sources` sources.

    A part (the rows of some sources, with their shards) closes at `shard_mb` or at `part_sources`.
    """

    shard_mb: float = 256.0
    part_sources: int = 1024
    batch_sources: int = 4096

    def __post_init__(self) -> None:
        for name in ("shard_mb", "part_sources", "batch_sources"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} {getattr(self, name)} is illegal; the nearest legal value is 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkConfig:
    """What a worker may take: `silent_s` seconds without a sign of life, `memory_mb` of memory, `tries` per source."""

    silent_s: float = 120.0
    memory_mb: int = 4096
    tries: int = 2

    def __post_init__(self) -> None:
        if not self.silent_s > 0:
            raise InputError(f"silent_s {self.silent_s} is illegal; the nearest legal value is 1")
        for name in ("memory_mb", "tries"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} is illegal; the nearest legal value is 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateConfig:
    """A whole curation. `stages` maps the stages that measure clips to their setting (empty where there is none).

    `licence` and `provenance` are recorded with every source that a run takes in.
    """

    analysis: AnalysisConfig = field(default_factory=AnalysisConfig)
    shots: ShotConfig = field(default_factory=ShotConfig)
    cut: CutConfig = field(default_factory=CutConfig)
    stages: dict[str, str] = field(default_factory=dict)
    select: SelectConfig = field(default_factory=SelectConfig)
    pack: PackConfig = field(default_factory=PackConfig)
    work: WorkConfig = field(default_factory=WorkConfig)
    licence: str = ""
    provenance: str = ""


def key(values: Any) -> str:
    """Return 12 hexadecimal digits that stand for plain JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def plain(config: Any) -> dict[str, Any]:
    """Return a config as JSON values, the same whether it was saved before or not: 6 of a float field is 6.0."""
    return configs.to_dict(configs.from_dict(type(config), configs.to_dict(config)))


def analysis_key(config: CurateConfig) -> str:
    """Return the key of what analyses depend on; one change of it decodes every source again."""
    return _analysis_key(config.analysis)


def cutting_key(config: CurateConfig) -> str:
    """Return the key of what clips depend on; one change of it cuts every source again, from its kept analysis."""
    return _cutting_key(config.analysis, config.shots, config.cut)


@lru_cache(maxsize=8)  # asked for by every path of every source
def _analysis_key(analysis: AnalysisConfig) -> str:
    return key([ANALYSIS_VERSION, plain(analysis)])


@lru_cache(maxsize=8)
def _cutting_key(analysis: AnalysisConfig, shots: ShotConfig, cut: CutConfig) -> str:
    return key([CUT_VERSION, _analysis_key(analysis), plain(shots), plain(cut)])
