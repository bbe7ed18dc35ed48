"""Steps that go wrong, each in its own way: for the test of the runner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

from .runner import Context, Skip, Step


def fine(context: Context) -> dict[str, Any]:
    """Pass."""
    return {"device": context.device, "table": [{"way": "a|b", "tokens_per_s": 1234.5}]}


def broken(context: Context) -> dict[str, Any]:
    """Fail."""
    print("about to fail")
    raise AssertionError("the losses differ by 3.0e-01")


def hanging(context: Context) -> dict[str, Any]:
    """Hang, with a child in a session of its own, as torchrun's workers are."""
    words = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(words, start_new_session=True)
    (context.folder.parent / "stray").write_text(str(child.pid))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
    return {}


def killed(context: Context) -> dict[str, Any]:
    """Die as where the kernel runs out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def lacking(context: Context) -> dict[str, Any]:
    """Need a package that a machine may lack."""
    raise ModuleNotFoundError("No module named 'trl'", name="trl")


def mistaken(context: Context) -> dict[str, Any]:
    """Need a module of our own that is not there: no reason to skip."""
    raise ModuleNotFoundError("No module named 'babelmix.nothing'", name="babelmix.nothing")


def left_out(context: Context) -> dict[str, Any]:
    """Say why not."""
    raise Skip("needs two cards")


STEPS = [
    Step("fine", "correctness", fine, "passes"),
    Step("broken", "correctness", broken, "fails"),
    Step("hanging", "correctness", hanging, "hangs", 2.0),
    Step("killed", "correctness", killed, "is killed"),
    Step("lacking", "correctness", lacking, "lacks a package"),
    Step("mistaken", "correctness", mistaken, "lacks a module of ours"),
    Step("left-out", "correctness", left_out, "skips itself"),
    Step("last", "speed", fine, "passes after all that"),
]
