"""Tests of the Ray runner: two nodes on this machine, one killed, give the dataset that one process gives."""

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny
from ray.cluster_utils import Cluster

from rushes.data.dataset import Dataset
from rushes.data.pool import Failure
from rushes.data.ray_runner import RayRunner
from rushes.data.run import curate
from rushes.errors import InputError

pytestmark = [
    pytest.mark.slow,  # a cluster takes ten seconds to start
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
HERE = str(Path(__file__).parent)
NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20}


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([HERE, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    made = Cluster(initialize_head=True, head_node_args=NODE)
    yield made
    made.shutdown()


def test_a_node_that_is_killed_changes_nothing(cluster, tmp_path):
    films = tiny.films(tmp_path / "films", 4)
    second = cluster.add_node(**{key: value for key, value in NODE.items() if key != "include_dashboard"})
    killed = []

    def watch(progress):
        if progress.num_clips and not killed:
            killed.append(time.monotonic())
            cluster.remove_node(second, allow_graceful=False)

    config = tiny.config("motion", "sharpness")
    with RayRunner(cluster.address, 2, silent_s=60, memory_mb=4096) as runner:
        summary = curate(str(tmp_path / "ray"), [str(films)], config, runner, watch=watch)
        found = dict(runner.map(tiny.odd_work, [("echo", 1), ("abort", 2), ("raise", "oh")]))
    assert killed and summary.is_whole and summary.outcomes == {"ok": 4}
    curate(str(tmp_path / "local"), [str(films)], config, tiny.Serial())
    assert Dataset.open(tmp_path / "ray").digest() == Dataset.open(tmp_path / "local").digest()
    assert found["echo", 1] == 1
    kinds = {item[0]: value.kind for item, value in found.items() if isinstance(value, Failure)}
    assert kinds == {"abort": "crashed", "raise": "failed"}
    with RayRunner(cluster.address, 1, silent_s=3, memory_mb=4096, tries=1) as runner:
        found = dict(runner.map(tiny.odd_work, [("hang", 1), ("echo", 2)]))
    assert found["hang", 1].kind == "timed out" and found["echo", 2] == 2


def test_no_cluster_is_one_line():
    with pytest.raises(InputError, match="no Ray cluster answers at '127"):
        RayRunner("127.0.0.1:1", silent_s=1, memory_mb=1)
