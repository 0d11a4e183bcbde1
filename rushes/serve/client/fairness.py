"""Whose turn it is: a job's priority is the moment at which it is due, so waiting longer is all the ageing there is.

A job is due `delay_s` of its owner's plan after it was sent, and each further job that its owner has waiting is due a
little later still. A flood of one owner therefore lines up behind everybody's first jobs, a plan with a smaller delay
goes before one with a larger, and whoever waits longer than the difference goes first all the same: nobody starves.
Source: the virtual deadlines of A. Parekh and R. Gallager, "A generalized processor sharing approach", 1993, in their
simplest form.
"""

from __future__ import annotations

EPOCH_S = 1_750_000_000  # DBOS keeps priorities in 31 bits; counted from here they last until 2093
LARGEST = 2**31 - 1


def due(sent_at: float, delay_s: float, num_waiting: int, own_s: float) -> int:
    """Return the priority (smaller goes first), in seconds, of a job sent at `sent_at` by one with `num_waiting` more.

    `own_s` is how many seconds later each further job of one owner is due.
    """
    moment = sent_at - EPOCH_S + delay_s + num_waiting * own_s
    return min(LARGEST, max(1, round(moment)))
