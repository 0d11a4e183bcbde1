"""The `rushes` command: finds rushes/cli/<name>.py by file name and imports one only when it is called."""

from __future__ import annotations

import ast
import importlib
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click

from rushes import __version__, log
from rushes.errors import RushesError, nearest_first

INTERRUPTED = 130
EXTRAS = {
    **dict.fromkeys(("pyarrow", "duckdb", "cv2", "onnxruntime", "rapidocr", "feedparser", "jinja2", "urllib3"), "data"),
    **dict.fromkeys(("alembic", "authlib", "c2pa", "dbos", "fastapi", "mcp", "platformdirs", "sqlalchemy"), "studio"),
    **{"skia": "train", "tensorboard": "train", "boto3": "s3", "ray": "ray"},
    **dict.fromkeys(("diffusers", "transformers", "accelerate", "peft", "huggingface_hub", "httpx"), "families"),
    **{"psycopg": "postgres", "stripe": "billing"},
}
SYSTEM_LIBRARIES = "libegl1 libgl1 libfontconfig1"


def command_files(folder: Path) -> dict[str, Path]:
    """Return the command names in `folder` with their files, sorted; `main` and names starting with `_` are none."""
    stems = sorted(path.stem for path in folder.glob("*.py") if not path.name.startswith("_"))
    return {stem.replace("_", "-"): folder / f"{stem}.py" for stem in stems if stem != "main"}


def first_line(file: Path) -> str:
    """Return the first line of a module's docstring without importing the module; empty where there is none."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return docstring.splitlines()[0] if docstring else ""


class LazyGroup(click.Group):
    """A click group whose commands are the files of `folder`; `package` is that folder's dotted name."""

    def __init__(self, *args: Any, folder: Path, package: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.folder, self.package = folder, package

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(command_files(self.folder))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        file = command_files(self.folder).get(cmd_name)
        return importlib.import_module(f"{self.package}.{file.stem}").command if file else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}; known: {nearest_first(args[0], known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, first_line(file)) for name, file in command_files(self.folder).items()]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what a person can understand becomes one line on standard error and an exit code."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            raise  # click ends quietly: whoever read our output has left
        except RushesError as error:
            _stop(ctx, str(error), error.exit_code)
        except KeyboardInterrupt:
            _stop(ctx, "interrupted", INTERRUPTED)
        except OSError as error:
            _stop(ctx, _explain(error), 1)
        except ImportError as error:
            hint = _missing(error)
            if hint is None:
                raise
            _stop(ctx, hint, 1)
        return result


def _stop(ctx: click.Context, message: str, exit_code: int) -> NoReturn:
    if ctx.params.get("verbose"):
        traceback.print_exc()
    click.echo(f"rushes: {' '.join(message.split())}", err=True)
    ctx.exit(exit_code)


def _explain(error: OSError) -> str:
    """Return the reason of an operating system's error and the file that it is about."""
    if error.strerror is None:
        return str(error) or type(error).__name__
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return ": ".join([error.strerror, *names])


def _missing(error: ImportError) -> str | None:
    """Return how to install what an optional extra needs, or None when the import is our own mistake."""
    if isinstance(error, ModuleNotFoundError):
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        return f"{error.name} is not installed; run: pip install -c constraints.txt -e '.[{extra}]'" if extra else None
    if "cannot open shared object file" in str(error):
        return f"{error}; on Debian and Ubuntu: apt-get install {SYSTEM_LIBRARIES}"
    return None


@click.group(
    cls=LazyGroup,
    folder=Path(__file__).parent,
    package="rushes.cli",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="rushes")
@click.option("--verbose", is_flag=True, help="Show debug messages, and the traceback of an error.")
def main(verbose: bool) -> None:
    """The whole studio behind a text-to-video service: a sentence becomes a film."""
    log.set_up(verbose=verbose)
