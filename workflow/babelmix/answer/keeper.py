"""Start a command and end it, with all that it started, when this program's input ends.

    python -m babelmix.answer.keeper COMMAND …

Who starts this holds the other end of the pipe: when that process ends, however it was killed, the
pipe closes and the command is stopped. Nothing else here could promise that: a signal's handler
does not run in a process that is killed, and a server's workers outlive the server.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

#: Seconds between the order to stop and the end by force.
GRACE_S = 10.0


def keep(command: Sequence[str]) -> int:
    """Run the command in a process group of its own until it ends or standard input closes.

    Returns its exit status; 127 where it cannot be started.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the pipe's end is the order to stop
    try:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_default_signals,
        )
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    try:
        while server.poll() is None:
            readable, _, _ = select.select([sys.stdin.fileno()], [], [], 0.2)
            if readable and not os.read(sys.stdin.fileno(), 1024):
                break
    finally:
        end_group(server.pid, GRACE_S)
    return server.wait()


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def end_group(group: int, grace_s: float) -> None:
    """Ask a process group to stop; kill what is left of it after a while."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + grace_s
        while time.monotonic() < until:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-group, os.WNOHANG)
            os.killpg(group, 0)  # raises where nobody is left
            time.sleep(0.1)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
