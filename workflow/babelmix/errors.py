"""The one error a user is meant to read: what is wrong, where, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class BabelmixError(Exception):
    """A problem the user can mend. Printed without a traceback; the verb exits with its code."""

    exit_code = 2


def unknown_name(kind: str, name: str, known: Iterable[str], where: str) -> BabelmixError:
    """Build the error for a name that is not defined, with the nearest known one."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    listed = ", ".join(known) if known else "none is defined"
    return BabelmixError(f"{where}: unknown {kind} '{name}'.{hint} Known: {listed}.")
