"""What a payer has spent: an append-only file, shared by all jobs and runs of a study set.

A payer is a judge, a translator or a benchmark's served model. A call's worst case is reserved
before it is made and its real cost put in its place when the usage is known. What may have been
billed and never told its usage stays at its worst case: so does a call that a kill cut off.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import BabelmixError

#: Dollars below this are rounding.
_DUST = 1e-9
#: Seconds beyond a call's own limit after which it is surely over.
_SLACK_S = 5.0
_HOST = socket.gethostname()


class CapReachedError(BabelmixError):
    """The next call does not fit under `max_cost`."""

    exit_code = 3


def study_folder(journal: Path) -> Path | None:
    """Return the folder of the study set that a journal belongs to; None for one elsewhere."""
    return next((p.parent for p in journal.absolute().parents if p.name == "journals"), None)


def spending_folder(journal: Path) -> Path:
    """Return the folder of ledgers and rates: one per study set, else beside the journal."""
    root = study_folder(journal)
    return (root / "journals" if root else journal.absolute().parent) / "spending"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for appending and reading, as the only one among processes and machines.

    Where the file system has no locks, a second file that only one can create stands in.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            with _lock_file(path.with_name(f".{path.name}.lock")):
                yield handle
                handle.flush()
            return
        yield handle
        handle.flush()


@contextlib.contextmanager
def _lock_file(path: Path, stale_s: float = 30.0) -> Iterator[None]:
    while True:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > stale_s:  # its owner was killed
                    path.unlink()
            time.sleep(0.01)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@dataclass
class Bill:
    """What one call turns out to cost, in US dollars; None where it may have been billed, and
    nobody said what for."""

    dollars: float | None = 0.0


class Ledger:
    """The charges of one payer; ``name`` is ``judges.NAME`` or the like, ``cap`` its `max_cost`."""

    def __init__(self, folder: Path, name: str, cap: float | None = None) -> None:
        self.name = name
        self.cap = cap
        self.path = folder / f"{name}.jsonl"
        self.spent_now = 0.0
        #: Replies by the model and fingerprint that the server named, over all jobs.
        self.models: Counter[tuple[str, str]] = Counter()
        self._read = 0
        self._dollars: dict[str, float] = {}
        self._total = 0.0
        self._open: dict[str, dict[str, Any]] = {}
        self._mine: set[str] = set()
        self._turn = threading.Lock()

    def total(self) -> float:
        """US dollars spent or reserved so far, by all jobs and runs."""
        with locked(self.path) as handle:
            self._catch_up(handle)
            return self._total

    def reserve(
        self, worst: float, limit_s: float, hold: float | None = None, key: str = ""
    ) -> str | None:
        """Reserve a call's worst case; return the call's id, or None where it must wait.

        ``hold`` (at least ``worst``) is kept free while the call is under way, which ends within
        ``limit_s`` seconds: the worst case is a guess until the server's replies have confirmed it.
        Where even ``worst`` fits only without others under way, the call waits for them. Raises
        CapReachedError where it does not fit at all.
        """
        hold = max(worst, hold or 0.0)
        with locked(self.path) as handle:
            self._catch_up(handle)
            under_way = self._under_way()
            if self.cap is not None:
                room = self.cap + _DUST - self._total
                held = sum(note["hold"] - note["dollars"] for note in under_way)
                if hold + held > room and (under_way or worst > room):
                    if under_way:
                        return None
                    raise self.cap_reached(worst)
            call = f"{key[:12]}-{uuid.uuid4().hex[:16]}"
            now = time.time()
            times = {"at": round(now, 3), "until": round(now + limit_s + _SLACK_S, 3)}
            self._mine.add(call)
            self._write(
                handle,
                {"id": call, "state": "reserved", "dollars": worst, "hold": hold, **times}
                | {"host": _HOST, "pid": os.getpid()},
            )
        return call

    @contextlib.contextmanager
    def call(self, worst: float, limit_s: float) -> Iterator[Bill]:
        """Reserve a call of this thread, waiting for money if need be; its cost goes in the Bill.

        Raises CapReachedError before the call when it does not fit.
        """
        call = None
        while call is None:
            with self._turn:
                call = self.reserve(worst, limit_s)
            if call is None:
                time.sleep(0.05)
        bill = Bill()
        try:
            yield bill
        finally:
            with self._turn:
                if bill.dollars is None:
                    self.unknown(call)
                elif bill.dollars == 0.0 and worst > 0.0:
                    self.release(call)
                else:
                    self.settle(call, bill.dollars)

    def settle(
        self, call: str, dollars: float, *, estimated: bool = False, by: tuple[str, str] = ("", "")
    ) -> None:
        """Put the real cost in place of what was reserved; ``estimated``: no usage was told;
        ``by``: the model and fingerprint that replied."""
        state = "estimated" if estimated else "settled"
        named = {"model": by[0], "fingerprint": by[1]} if any(by) else {}
        self._close({"id": call, "state": state, "dollars": dollars} | named)
        self.spent_now += dollars

    def release(self, call: str) -> None:
        """Give a reservation back: the call was not billed."""
        self._close({"id": call, "state": "released", "dollars": 0.0})

    def unknown(self, call: str) -> None:
        """Leave a call at its worst case: it may have been billed, and no usage was told."""
        worst = self._dollars.get(call, 0.0)
        self._close({"id": call, "state": "unknown", "dollars": worst})
        self.spent_now += worst

    def close_batch(self, call: str | None, charges: Mapping[str, float]) -> None:
        """Put the charges of a batch's calls, by id, in place of what was reserved for all."""
        with locked(self.path) as handle:
            self._catch_up(handle)
            at = {"at": round(time.time(), 3)}
            for one, dollars in charges.items():
                self.spent_now += dollars
                self._write(handle, {"id": one, "state": "settled", "dollars": dollars} | at)
            if call is not None:
                self._write(handle, {"id": call, "state": "released", "dollars": 0.0} | at)
                self._mine.discard(call)

    def reconcile(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take over what a journal knows: costs of calls still open here, and older replies.

        A job that was killed between the two files has noted the reply in its journal only.
        """
        with locked(self.path) as handle:
            self._catch_up(handle)
            for entry in entries:
                cost = entry.get("cost")
                if not isinstance(cost, int | float):
                    continue
                call = entry.get("call") or f"earlier:{entry['key']}"
                state = "settled" if entry.get("call") else "earlier"
                if call in self._dollars and call not in self._open:
                    continue
                self._write(handle, {"id": call, "state": state, "dollars": float(cost)})

    def take_over(self, older: Path) -> None:
        """Count what a ledger of an earlier version holds, once."""
        call = f"earlier:{older.name}"
        if not older.is_file():
            return
        self.total()  # reads what is there
        if call in self._dollars:
            return
        dollars = 0.0
        for line in older.read_bytes().splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                dollars += float(json.loads(line)["dollars"])
        self._close({"id": call, "state": "earlier", "dollars": dollars})

    def cap_reached(self, worst: float) -> CapReachedError:
        """The error of a call that does not fit."""
        return CapReachedError(
            f"{self.name}: stopped before a call that could cost {worst:.4f} US dollars: of its "
            f"`max_cost` of {self.cap:g}, {self._total:.4f} are spent or reserved in this study "
            f"set. What is done is kept in the journal; raise `{self.name}.max_cost` and run again "
            "to go on."
        )

    def _under_way(self) -> list[dict[str, Any]]:
        """Reservations of calls that may still run: those of a dead process, or too old, do not."""
        now = time.time()
        alive: dict[int, bool] = {}
        found = []
        for call, note in self._open.items():
            pid = note.get("pid", 0)
            if call in self._mine:
                found.append(note)
            elif note.get("until", 0.0) > now:
                if note.get("host") == _HOST and pid not in alive:
                    alive[pid] = pid != os.getpid() and _is_alive(pid)
                if note.get("host") != _HOST or alive[pid]:
                    found.append(note)
        return found

    def _close(self, note: dict[str, Any]) -> None:
        with locked(self.path) as handle:
            self._catch_up(handle)
            self._write(handle, note | {"at": round(time.time(), 3)})
        self._mine.discard(note["id"])

    def _write(self, handle: IO[bytes], note: dict[str, Any]) -> None:
        line = json.dumps(note).encode() + b"\n"
        handle.write(line)
        self._read += len(line)
        self._take(note)

    def _take(self, note: dict[str, Any]) -> None:
        call, dollars = str(note["id"]), float(note["dollars"])
        self._total += dollars - self._dollars.get(call, 0.0)
        self._dollars[call] = dollars
        if note.get("model") or note.get("fingerprint"):
            self.models[str(note.get("model")), str(note.get("fingerprint"))] += 1
        if note["state"] == "reserved":
            self._open[call] = note | {"hold": float(note.get("hold", dollars))}
        else:
            self._open.pop(call, None)

    def _catch_up(self, handle: IO[bytes]) -> None:
        """Read what others have added; a torn line (a killed writer's) is ended, counts nothing."""
        handle.seek(self._read)
        data = handle.read()
        if data and not data.endswith(b"\n"):
            handle.write(b"\n")
            data += b"\n"
        for line in data.splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._take(json.loads(line))
        self._read += len(data)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
