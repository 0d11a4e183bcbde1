"""One page that shows any number of models side by side: every score, and their films of the same prompts.

The page stands alone: films are small looping WebPs inside it, and its table sorts without a network.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from rushes.errors import InputError
from rushes.evaluate import prompts
from rushes.evaluate.films import Latents, request_for
from rushes.evaluate.gallery import said, small_webp
from rushes.evaluate.report import Line, lines
from rushes.evaluate.run import Plan
from rushes.tiers import plan

WIDTH, HEIGHT = 256, 144
Watch = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One column: the model's name, its report (`rushes.evaluate.run.evaluate`), and its first films as WebPs."""

    name: str
    report: dict[str, Any]
    films: Sequence[bytes]


def films(ask: Plan, num: int, watch: Watch) -> list[bytes]:
    """Return the first `num` films of a plan's prompts, in its first tier, small; latents come from its cache."""
    cases = prompts.draw(min(num, ask.num), ask.seed, prompts.filters_of(ask.weights / "film"))
    generator = ask.load(ask.weights, device=ask.device, dtype=ask.dtype)
    latents, made = Latents(generator, ask.cache), []
    for done, case in enumerate(cases, start=1):
        request = request_for(case, ask.tiers[0], ask.effort)
        frames = np.stack([_small(frame) for frame in generator.paint(latents.get(request), plan(request))])
        made.append(small_webp(frames, fps=request.fps))
        watch("films on the page", done, len(cases))
    return made


def _small(frame: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(frame).resize((WIDTH, HEIGHT), Image.Resampling.BOX))


def as_html(models: Sequence[Model]) -> str:
    """Return the page. Raises: InputError for no model, or two of one name."""
    names = [model.name for model in models]
    if not names or len(set(names)) < len(names):
        raise InputError(f"a page compares models of different names, not {', '.join(names) or 'none'}")
    tables = [{line.what: line for line in lines(model.report)} for model in models]
    whats = list(dict.fromkeys(what for table in tables for what in table))
    rows = "\n".join(_row(what, [table.get(what) for table in tables]) for what in whats)
    heads = "".join(f"<th scope=col><button>{escape(name)}</button></th>" for name in names)
    return PAGE.format(
        names=escape(" · ".join(names)),
        about="".join(f"<p><b>{escape(model.name)}</b> {escape(_about(model.report))}</p>" for model in models),
        heads=heads,
        rows=rows,
        films="\n".join(_prompt(models, index) for index in range(max(len(model.films) for model in models))),
    )


def _about(report: dict[str, Any]) -> str:
    hashes = ", ".join(f"{name} {digest[:12]}" for name, digest in report["weights"].items())
    machine = report["machine"]
    return (
        f"{report['num']} held-out prompts per tier, seed {report['seed']}; {hashes}; {machine['processor']}, "
        f"threads {machine['threads']}, torch {machine['torch']}"
    )


def _row(what: str, cells: Sequence[Line | None]) -> str:
    known = next(cell for cell in cells if cell is not None)
    shown = "".join(_cell(cell) for cell in cells)
    return (
        f"<tr><th scope=row>{escape(what)}</th>{shown}<td>{escape(known.oracle)}</td><td>{escape(known.bar)}</td></tr>"
    )


def _cell(line: Line | None) -> str:
    if line is None:
        return "<td>-</td>"
    met = {True: " class=met", False: " class=missed", None: ""}[line.is_met]
    small = ", ".join(part for part in (line.interval, f"n\u00a0{line.films}" if line.films else "") if part)
    return f"<td{met}>{escape(line.score)}<small>{escape(small)}</small></td>"


def _prompt(models: Sequence[Model], index: int) -> str:
    """Return one prompt with each model's film and what was read off it."""
    shown, prompt = [], ""
    for model in models:
        if index >= len(model.films):
            continue
        told = next(iter(model.report["tiers"].values()))["films"][index]
        prompt = prompt or told["prompt"]
        asked = "" if told["prompt"] == prompt else f" asked: {told['prompt']};"
        words = escape(f"{asked} {said(told)}".strip())
        film = base64.b64encode(model.films[index]).decode()
        size = f"width={WIDTH} height={HEIGHT}"
        picture = f'<img loading=lazy {size} alt="{escape(prompt)}" src="data:image/webp;base64,{film}">'
        shown.append(f"<figure>{picture}<figcaption><b>{escape(model.name)}</b> {words}</figcaption></figure>")
    return f"<section><h3>{escape(prompt)}</h3><div class=films>{''.join(shown)}</div></section>"


PAGE = """<!doctype html>
<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width, initial-scale=1">
<title>Models side by side: {names}</title>
<style>
:root {{ color-scheme: light dark; --line: light-dark(#d8d3ca, #3a3840); --page: light-dark(#fbf9f5, #17161a);
  --met: light-dark(#1d6b3a, #7fd6a0); --missed: light-dark(#a32a22, #ff9d90); }}
* {{ box-sizing: border-box; }}
body {{ font: 15px/1.5 system-ui, sans-serif; background: var(--page); margin: 0 auto; max-width: 1240px;
  padding: 1rem; }}
h1 {{ font-size: 1.5rem; margin: .5rem 0; }} h2 {{ font-size: 1.2rem; margin: 2rem 0 .5rem; }}
h3 {{ font-size: 1rem; font-weight: 600; margin: 1.2rem 0 .4rem; }}
p {{ font-size: .85rem; margin: .2rem 0; overflow-wrap: anywhere; }}
.scores {{ overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; max-height: 80vh; }}
table {{ border-collapse: collapse; font-size: .85rem; width: 100%; }}
th, td {{ text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }}
td {{ font-variant-numeric: tabular-nums; min-width: 7rem; }}
thead th {{ position: sticky; top: 0; background: var(--page); z-index: 2; }}
th[scope=row] {{ position: sticky; left: 0; background: var(--page); font-weight: 500; min-width: 8.5rem;
  max-width: 18rem; }}
thead th:first-child {{ left: 0; z-index: 3; }}
small {{ display: block; opacity: .85; }}
.met {{ color: var(--met); }} .missed {{ color: var(--missed); }}
.met::before {{ content: "\\2713\\00a0"; }} .missed::before {{ content: "\\2717\\00a0"; }}
button {{ all: unset; cursor: pointer; min-height: 24px; }}
button:hover {{ text-decoration: underline; }} button:focus-visible {{ outline: 2px solid; outline-offset: 2px; }}
th[aria-sort=ascending] button::after {{ content: " \\2191"; }}
th[aria-sort=descending] button::after {{ content: " \\2193"; }}
.films {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: .8rem; }}
@media (min-width: 700px) {{ .films {{ grid-template-columns: repeat(auto-fill, minmax(256px, 1fr)); }} }}
figure {{ margin: 0; }} img {{ width: 100%; height: auto; border-radius: 6px; display: block; }}
figcaption {{ font-size: .8rem; margin-top: .3rem; }}
</style></head><body>
<h1>Models side by side</h1>{about}
<h2>Scores</h2>
<p>Below each score its 95 % interval and the number of films. A tick or a cross says whether the bar is met.</p>
<div class=scores tabindex=0 role=region aria-label=Scores><table><thead><tr><th scope=col><button>what</button></th>
{heads}<th scope=col><button>real films</button></th><th scope=col><button>bar</button></th></tr></thead><tbody>
{rows}
</tbody></table></div>
<h2>Films</h2>
{films}
<script>
const table = document.querySelector("table"), body = table.tBodies[0];
const value = (row, at) => {{
  const text = row.cells[at].firstChild?.textContent ?? "", number = parseFloat(text.replace(/[^-0-9.]*/, ""));
  return at && !Number.isNaN(number) ? number : at ? -Infinity : text;
}};
table.tHead.addEventListener("click", (event) => {{
  const head = event.target.closest("th");
  if (!head) return;
  const down = head.getAttribute("aria-sort") === "ascending", at = head.cellIndex;
  for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const order = (a, b) => {{
    const [x, y] = [value(a, at), value(b, at)];
    return typeof x === "string" ? x.localeCompare(y) : x === y ? 0 : x - y;
  }};
  body.append(...[...body.rows].sort((a, b) => (down ? -1 : 1) * order(a, b)));
}});
</script></body></html>
"""
