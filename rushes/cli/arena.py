"""Compare models by blind pairs: make a set to vote on, score the votes, and keep worse weights from shipping."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rushes.errors import InputError

if TYPE_CHECKING:
    from rushes.models.oracle import Oracle

ORACLE = Path(__file__).parents[2] / "weights" / "oracle"
BIAS = (
    "The oracle judged: a network trained on our own renders, which favours films in their style. "
    "It counts which asked things a film shows, not how good it looks."
)
RATERS_SHOWN, FEW_RATERS, LARGE_MB = 12, 5, 100
judge_option = click.option("--judge", type=click.Choice(("oracle",)), help="Let the oracle vote, not people.")
oracle_option = click.option("--oracle", type=click.Path(path_type=Path), default=ORACLE, help="Its weights.")
json_option = click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write it all as JSON.")
force_option = click.option("--force", is_flag=True, help="Overwrite what is there.")


@click.group("arena")
def command() -> None:
    """Compare models by blind pairs of films: make a set, score votes, gate new weights."""


@command.command("make")
@click.argument("contestants", nargs=-1, required=True, metavar="[NAME=]FOLDER...")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="Folder of the page to vote on.")
@click.option("--prompts", type=click.Path(path_type=Path), help="A file with one prompt per line.")
@click.option("--num", default=0, help="Ask for that many held-out scenes of the paper world instead.")
@click.option("--seed", default=0, show_default=True, help="The same seed asks and lays out the same.")
@click.option("--seeds", type=int, help="Films per prompt and contestant.  [1; 2 where there is one contestant]")
@click.option("--tier", default="short", show_default=True, help="short, feature or flipbook.")
@click.option("--steps", type=click.IntRange(1, 1000), help="Sampling steps, where not the tier's own.")
@click.option("--guidance", type=float, help="Guidance scale, where not the tier's own.")
@click.option("--width", default=640, show_default=True, help="The most pixels that a film on the page is wide.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--dtype", default="auto", show_default=True, help="auto, float32 or bfloat16: of the film model.")
@judge_option
@oracle_option
@force_option
def make(
    contestants: tuple[str, ...], out: Path, prompts: Path | None, judge: str | None, oracle: Path, force: bool,
    **typed: Any,
) -> None:  # fmt: skip
    """Make films of the same prompts and seeds by each contestant, and a page that shows them blind, two and two.

    A contestant is a folder of weights, a baseline's likewise, or of finished films with their prompts in them. One
    contestant alone meets itself with other seeds: pairs to train on. FOLDER/index.html goes to raters; FOLDER-key
    stays at home.
    """
    from rushes.evaluate import blind, pairs
    from rushes.evaluate.films import Effort
    from rushes.train import baselines

    named = _named(contestants)
    if (out / pairs.PAGE).exists() and not force:
        raise InputError(f"{out / pairs.PAGE} exists; use --force to replace it")
    effort = Effort(num_steps=typed.pop("steps"), guidance_scale=typed.pop("guidance"))
    typed["seeds"] = typed["seeds"] or (2 if len(named) == 1 else 1)
    texts = _lines(prompts) if prompts else ()
    if texts and typed["num"]:
        raise InputError("there are --prompts and --num; name one of them")
    found = blind.make(
        blind.Ask(out=out, contestants=named, texts=texts, effort=effort, load=baselines.opened, **typed), _watch
    )
    size = (out / pairs.PAGE).stat().st_size / 1e6
    click.echo(f"{out / pairs.PAGE}: {len(found.pairs)} pairs, {size:.1f} MB")
    if size > LARGE_MB:
        click.echo(f"{size:.0f} MB are much for a phone; a smaller --width or fewer pairs make less", err=True)
    click.echo(f"{pairs.key_folder(out) / pairs.KEY}: who made what; keep it from raters", err=True)
    if judge:
        click.echo(blind.keep_choices(found, blind.judge(found, _oracle(oracle), _watch)))


def _named(contestants: tuple[str, ...]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for text in contestants:
        name, equals, folder = text.partition("=")
        name = name if equals else text.rstrip("/")
        if name in named:
            raise InputError(f"contestant {name!r} is there twice; tell them apart as NAME=FOLDER")
        named[name] = Path(folder if equals else text)
    return named


def _lines(path: Path) -> tuple[str, ...]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} holds no prompts in UTF-8, one a line ({error})") from None
    if not any(lines):
        raise InputError(f"{path} holds no prompts; it should hold one per line")
    return tuple(dict.fromkeys(line for line in lines if line))


def _watch(what: str, done: int, num: int) -> None:
    if done == num or done * 20 // num != (done - 1) * 20 // num:
        click.echo(f"{what}: {done} of {num}", err=True)


def _oracle(folder: Path) -> Oracle:
    from rushes.models.oracle import Oracle

    return Oracle.from_pretrained(folder)


@command.command("score")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="[FOLDER]...")
@click.option("--votes", multiple=True, metavar="FILE|SET", help="A votes.json, or a set of rushes flywheel.")
@click.option("--seed", default=0, show_default=True, help="Draws the resamples behind the intervals.")
@judge_option
@oracle_option
@json_option
@force_option
def score(
    folders: tuple[Path, ...], votes: tuple[str, ...], seed: int, judge: str | None, oracle: Path,
    json_path: Path | None, force: bool,
) -> None:  # fmt: skip
    """Say who is preferred, how surely, whether raters agree, and how many more votes would decide.

    FOLDERs are blind sets; votes*.json beside their keys are read with them. Votes of a studio need no folder. People
    and the oracle are never counted together.
    """
    from rushes.evaluate import blind, pairs
    from rushes.evaluate.preference import summary

    if json_path is not None and json_path.exists() and not force:
        raise InputError(f"{json_path} exists; use --force to replace it")
    sets = [pairs.BlindSet.open(folder) for folder in folders]
    if judge:
        asked = _oracle(oracle)
        for one in sets:
            blind.keep_choices(one, blind.judge(one, asked, _watch))
    who = judge or "people"
    given = pairs.by_judge(pairs.gather(sets, votes)).get(who, [])
    said = {"judge": who, **summary([each.vote for each in given], seed=seed)}
    click.echo(as_text(said))
    if json_path is not None:
        json_path.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        click.echo(str(json_path), err=True)


def as_text(said: dict[str, Any]) -> str:
    """Return what `rushes.evaluate.preference.summary` found, for a terminal."""
    people, films = said["num_raters"], said["num_pairs"]
    lines = [f"{said['num']} votes by {people} raters on {films} pairs of films; {_percent(said['tied'])} are ties", ""]
    lines += [BIAS, ""] if said["judge"] == "oracle" else []
    width = max(len(row["name"]) for row in said["contestants"])
    lines.append(f"{'contestant':{width}}  {'votes':>6}  {'preferred, 95 % interval':28}  Elo, 95 % interval")
    for row in said["contestants"]:
        lines.append(f"{row['name']:{width}}  {row['num']:6}  {_share(row):28}  {_elo(row)}")
    lines.append("")
    for row in said["against"]:
        lines.append(f"{row['one']} over {row['other']}: {_share(row)} of {row['num']}; Elo {_elo(row)}; {_more(row)}")
    lines += ["", *_raters(said["agreement"]), f"the left film won {_share(said['left'])}: {_side(said['left'])}"]
    if people < FEW_RATERS and said["judge"] == "people":
        lines.append(f"{people} raters say how they judge, not how people do: the intervals are about these raters")
    return "\n".join(lines)


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _share(row: dict[str, Any]) -> str:
    if row["share"] is None:
        return "never met"
    return f"{_percent(row['share'])} ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


def _elo(row: dict[str, Any]) -> str:
    return f"{row['elo']:+.0f} ({row['elo_low']:+.0f} to {row['elo_high']:+.0f})"


def _more(row: dict[str, Any]) -> str:
    if row["is_decided"]:
        return "decided"
    return "no number of votes would decide" if row["more"] is None else f"about {row['more']} more votes would decide"


def _side(left: dict[str, Any]) -> str:
    return "no liking for a side" if left["low"] <= 0.5 <= left["high"] else "raters like one side"


def _raters(agreement: dict[str, Any]) -> list[str]:
    if agreement["alpha"] is None:
        return ["agreement is unknown: no pair was judged twice, or all votes are alike"]
    said = [f"{row['rater']} {_share(row)} of {row['num']}" for row in agreement["raters"] if row["num"]]
    rest = f" and {len(said) - RATERS_SHOWN} more" if len(said) > RATERS_SHOWN else ""
    lines = [f"Krippendorff's alpha {agreement['alpha']:.2f} (1: raters agree, 0: as chance would)"]
    return [*lines, f"with the others' mean: {'; '.join(said[:RATERS_SHOWN])}{rest}"] if said else lines


@command.command("gate")
@click.argument("new", type=click.Path(path_type=Path), metavar="NEW.json")
@click.argument("old", type=click.Path(path_type=Path), metavar="OLD.json")
@click.option("--margin", default=5.0, show_default=True, help="How exactly changes must be known, in points.")
@click.option("--json", "as_json", is_flag=True, help="Print every row as JSON.")
def gate(new: Path, old: Path, margin: float, as_json: bool) -> None:
    """Say whether new weights may ship: no attribute score may fall. Exit code 0: ship, 1: do not.

    NEW.json and OLD.json are reports of `rushes evaluate --json` on the same prompts and tiers.
    """
    from rushes.evaluate.gate import compare

    if not margin > 0:
        raise InputError(f"--margin {margin:g} is illegal; it must be more than 0")
    rows = compare(_report(new), _report(old), margin / 100)
    failed = {name: [row for row in rows if row[name]] for name in ("fell", "is_unsure")}
    ships = not any(failed.values())
    if as_json:
        click.echo(json.dumps({"ships": ships, "rows": rows}, indent=1))
    else:
        click.echo("\n".join([*map(_change, rows), "ship: no attribute score fell" if ships else _why(failed, margin)]))
    if not ships:
        sys.exit(1)


def _change(row: dict[str, Any]) -> str:
    change = f"{100 * row['change']:+.1f} points ({100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
    shares = f"{_percent(row['old']):>8} -> {_percent(row['new']):>8}"
    mark = "  FELL" if row["fell"] else "  too few prompts" if row["is_unsure"] else ""
    return f"{row['tier'] + ': ' + row['attribute']:24} {shares}  {change:34} of {row['num']}{mark}"


def _why(failed: dict[str, list[dict[str, Any]]], margin: float) -> str:
    named = {what: ", ".join(f"{row['tier']} {row['attribute']}" for row in rows) for what, rows in failed.items()}
    fell = [f"{named['fell']} fell"] if named["fell"] else []
    unsure = [f"{named['is_unsure']} not known to {margin:g} points; score more prompts"] if named["is_unsure"] else []
    return f"do not ship: {'; '.join(fell + unsure)}"


def _report(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found["tiers"], dict):
            return found
        raise TypeError("tiers is no table")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no report of rushes evaluate --json ({type(error).__name__}: {error})") from None
