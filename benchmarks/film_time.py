"""How long does the main job take: one ten-second 1280x720 film, as a whole process, and how much memory at its peak?

Prints wall seconds and peak resident memory of `rushes film`, beside the machine's own matrix rate in the same run.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

from rushes.train import ceiling


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tier", default="feature")
    arguments = parser.parse_args()
    suffix = {"flipbook": ".gif", "still": ".png"}.get(arguments.tier, ".mp4")
    spent = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(arguments.repeats):
            start = time.perf_counter()
            command = [sys.executable, "-m", "rushes", "film", "a red sailboat drifts left across the sea at sunset"]
            command += ["--tier", arguments.tier, "--quiet", "-o", str(Path(folder) / f"{index}{suffix}")]
            subprocess.run(command, check=True)
            spent.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    rate = ceiling.rate(Counter({(1440, 256, 1408): 1}), torch.float32)
    print(f"{arguments.tier}: median {statistics.median(spent):.1f} s of {[round(s, 1) for s in spent]}")
    print(f"peak memory {peak / 1e9:.2f} GB; float32 matrix rate {rate / 1e12:.3f} TFLOP/s")


if __name__ == "__main__":
    main()
