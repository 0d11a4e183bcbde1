"""Tests of the gang: whoever is lost, all start again; whoever is at fault is heard once."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rushes.errors import RushesError
from rushes.train.parallel.gang import LOST, Gang, LocalSeat, free_port, how

COUNT = """
import os, pathlib, signal, sys, time
folder, rank = pathlib.Path(sys.argv[1]), os.environ["RANK"]
tries = folder / f"tries-{rank}"
tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
assert os.environ["WORLD_SIZE"] == "2" and os.environ["LOCAL_RANK"] == rank and os.environ["MASTER_PORT"]
num = len(tries.read_text())
"""


def gang(folder: Path, script: str) -> tuple[Gang, list[str]]:
    said: list[str] = []
    seats = [LocalSeat(rank, folder / f"{rank}.log") for rank in range(2)]
    return Gang(seats, ["-c", COUNT + script, str(folder)], lambda line: said.append(line[1])), said


def tries(folder: Path) -> list[int]:
    return [len((folder / f"tries-{rank}").read_text()) for rank in range(2)]


def test_all_start_again_when_one_is_lost(tmp_path: Path) -> None:
    kill = "if rank == '1' and num < 3: os.kill(os.getpid(), signal.SIGKILL)\nelif num < 3: time.sleep(60)"
    together, said = gang(tmp_path, kill)
    assert together.run(3) == 0
    assert tries(tmp_path) == [3, 3]
    lost = "process 1 of 2 was lost (killed by SIGKILL); all start again from the last checkpoint"
    assert said == [f"{lost} (1 of 3 times)", f"{lost} (2 of 3 times)"]


def test_a_cause_is_told_from_its_consequences(tmp_path: Path) -> None:
    together, _ = gang(tmp_path, f"sys.exit({LOST}) if rank == '0' else (time.sleep(0.5), sys.exit(9))")
    with pytest.raises(RushesError, match=r"process 1 of 2 was lost \(exit code 9\); what was kept is safe"):
        together.run(0)


@pytest.mark.parametrize("code", [1, 2])
def test_somebodys_fault_is_heard_once_and_nobody_starts_again(tmp_path: Path, code: int) -> None:
    fault = f"print('rushes: steps is no int', file=sys.stderr); sys.exit({code})"
    together, said = gang(tmp_path, f"if rank == '1': {fault}\ntime.sleep(60)")
    assert together.run(3) == code
    assert said == ["rushes: steps is no int"] and tries(tmp_path)[1] == 1


def test_asked_to_stop_all_stop(tmp_path: Path) -> None:
    together, _ = gang(tmp_path, "signal.signal(15, lambda *_: sys.exit(130)); (folder / rank).touch(); time.sleep(60)")

    def ask(number: int, frame: object) -> None:
        if all((tmp_path / str(rank)).exists() for rank in range(2)):
            together.stop()
        else:
            signal.setitimer(signal.ITIMER_REAL, 0.05)

    before = signal.signal(signal.SIGALRM, ask)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    assert together.run(3) == 130
    signal.signal(signal.SIGALRM, before)
    assert tries(tmp_path) == [1, 1]


def test_processes_end_with_the_one_that_holds_their_seats(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from rushes.train.parallel.gang import Gang, LocalSeat\n"
        "held = 'import os; from rushes.train.parallel import gang; gang.leash(); print(os.getpid(), flush=True);"
        "import time; time.sleep(100)'\n"
        "Gang([LocalSeat(0, Path(sys.argv[1]))], ['-c', held], print).run(0)"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "log")], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    held = int(holder.stdout.readline())
    holder.kill()
    holder.communicate()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{held}").exists() and time.monotonic() < deadline:
        if "Z" in Path(f"/proc/{held}/stat").read_text().rsplit(")", 1)[1].split()[0]:
            return
        time.sleep(0.05)
    assert not Path(f"/proc/{held}").exists()


def test_endings_have_words() -> None:
    assert [how(code) for code in (-9, -200, 3)] == ["killed by SIGKILL", "killed by signal 200", "exit code 3"]
    assert free_port() > 1024
