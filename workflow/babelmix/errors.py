"""What a user is meant to read of an error: what is wrong, where, and how to mend it."""

from __future__ import annotations

import errno
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


#: Errors of the machine that a user can mend, and how.
_MENDABLE: dict[int | None, str] = {
    errno.ENOSPC: "The disk is full. Free some space (`df -h`), or work elsewhere",
    errno.EDQUOT: "Your quota is used up. Free some space, or ask for more",
    errno.EROFS: "The file system is read-only. Work in a folder that can be written to",
    errno.EACCES: "You may not write or read there. Mend its permissions, or work elsewhere",
    errno.EPERM: "You may not write or read there. Mend its permissions, or work elsewhere",
    errno.EIO: "The disk or the network file system failed. Ask its administrator",
    errno.ESTALE: "The network file system has lost the file. Try again",
    errno.EMFILE: "Too many open files. Raise the limit (`ulimit -n 4096`)",
}


def explain_os_error(error: OSError) -> str | None:
    """An error of the machine in one paragraph; None for one that a user cannot mend."""
    if error.errno not in _MENDABLE:
        return None
    where = f"{error.filename}: " if error.filename else ""
    text = error.strerror or str(error)
    mend = _MENDABLE[error.errno]
    return f"{where}{text}. {mend}; then run again: nothing half-written is used."
