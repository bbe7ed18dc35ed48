"""One small call to each judge before anything is trained: does it take what it will be asked?

A judge that takes no temperature, or whose key is refused, would otherwise fail when all trainings
are done. What was found is noted, so that the next start asks nothing; the call is paid for like
any other, and counts against the judge's cap.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..config.evaluation import OpenAIJudge
from ..config.root import Config
from ..endpoints import is_loopback
from ..errors import BabelmixError
from ..io import Journal, digest
from ..judge.calls import call_key
from ..judge.schema import is_kept, probe_request
from ..service import ChatService, Reply, Request, ServiceStoppedError
from ..service.client import read_key
from ..service.signals import StoppedBySignalError

#: Tokens of the reply: it need not be whole.
_REPLY_TOKENS = 16
_SYSTEM = {"role": "system", "content": "You are a helpful assistant."}


def probe_judges(config: Config, judges: Iterable[str], root: Path) -> tuple[list[str], list[str]]:
    """Return what a judge does not take (problems), and what was found out besides (notes).

    Judges without a key here are passed over: jobs may run where there is one.
    """
    problems: list[str] = []
    notes: list[str] = []
    asked = {name: config.judges[name] for name in judges}
    models = {name: judge for name, judge in asked.items() if isinstance(judge, OpenAIJudge)}
    if not models:
        return problems, notes
    folder = root / "journals"
    for name, judge in models.items():
        where = f"judges.{name}"
        try:
            read_key(judge, where, judge.url)
        except BabelmixError:
            continue
        try:
            with Journal(folder / "judge" / "probes.jsonl") as journal:
                notes += _probe(judge, where, folder / "spending", journal)
        except StoppedBySignalError:
            raise
        except ServiceStoppedError as error:
            problems.append(str(error))
        except BabelmixError as error:
            later = " It is asked when its time comes." if is_loopback(judge.url) else ""
            notes.append(f"{where}: not tried before the run: {error}{later}")
    return problems, notes


def _probe(judge: OpenAIJudge, where: str, spending: Path, journal: Journal) -> list[str]:
    """Ask once, unless an earlier start has; what is worth saying of it."""
    seal = probe_request(judge)
    messages = [_SYSTEM, *seal.messages]
    options = dict(seal.options) if judge.structured == "auto" else {}
    key = digest([call_key(judge, messages, options.get("response_format")), judge.url])
    if key in journal:
        return []
    small = judge.model_copy(
        update={"max_tokens": min(judge.max_tokens, _REPLY_TOKENS), "mode": "realtime"}
    )
    service = ChatService(small, where, spending)
    found: list[Reply] = []
    request = Request(key, messages, options=options)
    failures = service.ask([request], found.append, progress=lambda: None)
    notes = []
    if service.form.folds_system:
        notes.append(f"{where}: no system role; the system prompt opens the user's turn.")
    if service.form.limit_name != "max_tokens":
        notes.append(f"{where}: `max_tokens` is sent as `{service.form.limit_name}`.")
    for failure in failures.values():
        if "no completion" in failure.reason:
            raise ServiceStoppedError(f"{where}: {failure.reason}. Check `base_url`.")
        if not options:
            return [f"{where}: not tried before the run: {failure.reason}"]
        notes.append(f"{where}: no structured output ({failure.reason}); plain text is asked for.")
    if options and found and not is_kept(found[0].text):
        notes.append(f"{where}: it does not keep to a schema; plain text is asked for.")
    for reply in found:
        journal.append(reply.entry())
    return notes
