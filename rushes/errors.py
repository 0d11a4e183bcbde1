"""The errors that Rushes shows to people; everything else is a bug."""

import difflib
from collections.abc import Iterable


class RushesError(Exception):
    """Something that failed for a reason a person can understand: one line, exit code 1."""

    exit_code = 1


class InputError(RushesError):
    """The caller asked for something illegal: names the value and the nearest legal one. Exit code 2."""

    exit_code = 2


class WeightsError(RushesError):
    """A weights file that is missing, truncated, foreign or does not match its recorded hash."""


def nearest_first(word: str, known: Iterable[str]) -> str:
    """Return the known words as one comma-separated line that starts with the one most like `word`."""
    words = list(known)
    near = difflib.get_close_matches(word, words, n=1)
    return ", ".join(near + [other for other in words if other not in near])
