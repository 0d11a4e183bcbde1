"""Tests of seats on a Ray cluster."""

from pathlib import Path

import pytest

from rushes.errors import InputError
from rushes.train.parallel import ray_seats
from rushes.train.parallel.gang import Gang

ONCE_KILLED = """
import os, pathlib, signal, sys, time
folder, rank = pathlib.Path(sys.argv[1]), os.environ["RANK"]
again = (folder / rank).exists()
(folder / rank).touch()
assert os.environ["WORLD_SIZE"] == "2" and os.environ["MASTER_ADDR"] and os.environ["LOCAL_RANK"] == "0"
print("here", rank, again, flush=True)
if not again:
    time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL) if rank == "1" else time.sleep(60)
"""


@pytest.mark.slow
def test_processes_on_a_cluster_start_again_together(tmp_path: Path) -> None:
    said: list[str] = []
    with ray_seats.seats("local", 2) as seats:
        code = Gang(seats, ["-c", ONCE_KILLED, str(tmp_path)], lambda line: said.append(line[1])).run(1)
    assert code == 0
    lost = "process 1 of 2 was lost (killed by SIGKILL); all start again from the last checkpoint (1 of 1 times)"
    assert said == ["here 0 False", lost, "here 0 True"]


def test_an_illegal_address_is_refused() -> None:
    with pytest.raises(InputError, match="Ray address 'nowhere' is illegal"), ray_seats.seats("nowhere", 2):
        pass
