"""What is wrong with a request, as every route says it: a status, a code, one sentence, the parameter at fault."""

from __future__ import annotations

from rushes.errors import RushesError


class RequestError(RushesError):
    """A request that cannot be answered; programs get the wire format's error, people a page that says so.

    `retry_s` says when it is worth another try.
    """

    def __init__(self, status: int, code: str, message: str, *, param: str = "", retry_s: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param, self.retry_s = status, code, message, param, retry_s


def unknown(what: str, name: str) -> RequestError:
    """Return the fault for what is not there, or not for this caller to see: nobody learns which."""
    return RequestError(404, "not_found", f"there is no {what} {name!r}")
