"""Waiting for what other threads and processes do: on a condition, with a deadline, never by the clock."""

import threading
import time

SECONDS = 30
changed = threading.Condition()


class Failed(Exception):
    """A check did not hold, or something did not happen in time."""


class LeftOut(Exception):
    """This version of the SDK has no such thing."""


def tell(change):
    """Makes a change that somebody may wait for."""
    with changed:
        change()
        changed.notify_all()


def until(what, happened, seconds=SECONDS):
    """The first true value of `happened()`; it is asked again after each change."""
    deadline = time.monotonic() + seconds
    with changed:
        while not (value := happened()):
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failed(f"not within {seconds} s: {what}")
            changed.wait(left)
        return value


def demand(holds, what):
    if not holds:
        raise Failed(what)


def same(got, wanted, what):
    demand(got == wanted, f"{what}: expected {wanted!r}, got {got!r}")
