"""Make a dataset of folders full of films: `rushes curate FOLDER... -o DATASET`."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from rushes import config as configs
from rushes import registry
from rushes.errors import InputError

if TYPE_CHECKING:
    from rushes.data.run import Summary
    from rushes.data.settings import CurateConfig
    from rushes.data.workers.pool import Beat, Runner

STOPPED = 130
OURS = ("failed",)  # outcomes of sources that are our fault, whatever the film
DIED = ("crashed", "timed out", "out of memory", "failed")


@click.command("curate")
@click.argument("arguments", nargs=-1, required=True, metavar="FOLDER... [KEY=VALUE]...")
@click.option("-o", "--output", required=True, help="Folder (or s3:// address) of the dataset, new or to go on with.")
@click.option("--preset", default=None, help="Name of the preset [curate; else that of the dataset].")
@click.option("--workers", type=int, default=None, help="Processes [one per core, of the cluster with --ray].")
@click.option("--ray", metavar="ADDRESS", default=None, help="Work on a Ray cluster: local, auto, [ray://]HOST:PORT.")
@click.option("--watch", is_flag=True, help="Go on taking in what is new, until Ctrl-C; FOLDER may be a feed.")
@click.option("--again", is_flag=True, help="Try sources again whose worker failed or died before.")
@click.option("--show", is_flag=True, help="Print the resolved config and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(
    arguments: tuple[str, ...],
    output: str,
    preset: str | None,
    workers: int | None,
    ray: str | None,
    watch: bool,
    again: bool,
    show: bool,
    as_json: bool,
) -> None:
    """Make a dataset of folders full of films, or let one grow.

    FOLDER is a folder, a file or an address; KEY=VALUE changes the preset, for instance shots.longest_s=8. What is
    already in the dataset is not done again. Films that cannot be read become rows with their reason.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers {workers} is illegal; the nearest legal value is 1")
    folders, assignments = _split(arguments)
    resolved = _resolve(output, preset, assignments)
    if show:
        click.echo(json.dumps(configs.to_dict(resolved), indent=1))
        return
    if not folders:
        raise InputError("name at least one folder of films")
    if not watch and any(folder.startswith(("http://", "https://")) for folder in folders):
        raise InputError("a feed is watched, not read once; the nearest legal form has --watch")
    num = workers or (0 if ray else len(os.sched_getaffinity(0)))
    summary = _run(folders, output, resolved, num, ray, again, watch)
    if as_json:
        click.echo(json.dumps(_plain(summary), indent=1))
    else:
        _print(summary, output)
    if not summary.is_whole:
        if summary.num_waiting:
            click.echo(f"{summary.num_waiting} finished sources wait for those before them, to be packed", err=True)
        how = [*(["--ray", ray] if ray else []), *(["--watch"] if watch else [])]
        again_with = shlex.join(["rushes", "curate", *folders, "-o", output, *how])
        click.echo(f"stopped; go on with: {again_with}", err=True)
        sys.exit(STOPPED)
    if not summary.funnel["kept"] or any(summary.outcomes.get(name) for name in OURS):
        sys.exit(1)


def _split(arguments: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return (folders, KEY=VALUE): what has an equals sign and is no file is a setting."""
    settings = [text for text in arguments if "=" in text and "://" not in text and not Path(text).exists()]
    return [text for text in arguments if text not in settings], settings


def _resolve(output: str, preset: str | None, assignments: list[str]) -> CurateConfig:
    """Return the config: the named preset, else that of the dataset that is there, else `curate`; then the settings."""
    from rushes.data.dataset import HEAD, read_head
    from rushes.store import at

    is_there = "://" in output or (Path(output) / HEAD).is_file()
    if preset is None and is_there and HEAD in (kept := at(output)).list(HEAD):
        base = read_head(kept, output)
    else:
        base = registry.find("data.presets", preset or "curate")()
    return configs.override(base, assignments)


def _run(
    folders: list[str], output: str, resolved: CurateConfig, workers: int, ray: str | None, again: bool, watch: bool
) -> Summary:
    from rushes.cli._curate_screen import Screen
    from rushes.data.run import Again, curate

    asked: list[int] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        if asked:  # asked twice: stop at once; what is committed stays
            raise KeyboardInterrupt
        asked.append(signum)
        click.echo("finishing what has begun; once more to stop at once", err=True)

    with Screen(workers) as screen, _runner(resolved, workers, ray, screen.add_frames) as runner:
        signal.signal(signal.SIGINT, stop)  # after Ray, which has its own idea of what to do
        signal.signal(signal.SIGTERM, stop)
        beyond = Again(outcomes=DIED if again else ())
        hear: dict[str, Any] = {"watch": screen.watch, "should_stop": lambda: bool(asked)}
        if watch:
            from rushes.data.intake.watch import WatchConfig, grow

            watching = WatchConfig(again=beyond, say=lambda text: click.echo(text, err=True))
            return grow(output, folders, resolved, runner, watching=watching, **hear)
        return curate(output, folders, resolved, runner, again=beyond, **hear)


@contextlib.contextmanager
def _runner(resolved: CurateConfig, workers: int, ray: str | None, on_beat: Beat) -> Iterator[Runner]:
    """Hold `workers` processes of this machine, or cores of a Ray cluster (0: all that it has)."""
    from rushes.data.workers.pool import LocalRunner

    work = resolved.work
    limits: dict[str, Any] = {"silent_s": work.silent_s, "memory_mb": work.memory_mb, "tries": work.tries}
    if ray is None:
        with LocalRunner(workers, **limits, on_beat=on_beat) as local:
            yield local
        return
    try:
        from rushes.data.workers.ray_cluster import RayRunner
    except ModuleNotFoundError as error:
        raise InputError(f"--ray needs what is not installed ({error}); pip install 'rushes[ray]'") from None
    # Ray prints what befalls nodes on standard output, which is the summary's.
    with contextlib.redirect_stdout(sys.stderr), RayRunner(ray, workers, **limits, on_beat=on_beat) as cluster:
        yield cluster


def _plain(summary: Summary) -> dict[str, Any]:
    return {
        "sources": summary.outcomes,
        "clips": summary.num_clips,
        "rows": summary.num_rows,
        "whole": summary.is_whole,
        "waiting": summary.num_waiting,
        "dataset": summary.funnel,
    }


def _print(summary: Summary, output: str) -> None:
    """Print what is new, then what the dataset is."""
    funnel = summary.funnel
    new = ", ".join(f"{count} {outcome}" for outcome, count in summary.outcomes.items()) or "nothing"
    click.echo(f"new sources: {new}; {summary.num_clips} new clips, {summary.num_rows} new rows")
    sources = ", ".join(f"{count} {outcome}" for outcome, count in funnel["sources"].items())
    click.echo(f"{output}: {sum(funnel['sources'].values())} sources ({sources or 'none'})")
    click.echo(f"  {funnel['seen']} clips seen, {funnel['kept']} kept")
    for reason, count in funnel["first"].items():
        click.echo(f"  {count} dropped: {reason}")
