"""The twelve places of the paper world; `catalogue` finds them by name, each file draws one."""

from rushes.world.places.catalogue import baseline, layers
from rushes.world.places.layer import Layer

__all__ = ["Layer", "baseline", "layers"]
