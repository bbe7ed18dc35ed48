"""One small call to each judge and chat translator before anything is trained: does it take what it
will be asked?

A judge that takes no temperature, or whose key is refused, would otherwise fail when all trainings
are done; a translator, when the first texts are paid for. What was found is noted, so that the next
start asks nothing; the call is paid for like any other, and counts against the cap.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..config.evaluation import OpenAIJudge
from ..config.root import Config
from ..config.translators import OpenAITranslator
from ..endpoints import is_loopback
from ..errors import BabelmixError
from ..io import Journal, digest
from ..judge.calls import call_key
from ..judge.schema import is_kept, probe_request
from ..service import ChatService, Reply, Request, ServiceStoppedError
from ..service.client import read_key
from ..service.replies import Messages
from ..service.signals import StoppedBySignalError

#: Tokens of the reply: it need not be whole.
_REPLY_TOKENS = 16
_SYSTEM = {"role": "system", "content": "You are a helpful assistant."}


def probe_services(
    config: Config, judges: Iterable[str], translators: Iterable[str], root: Path
) -> tuple[list[str], list[str]]:
    """Return what a chat model does not take (problems), and what was found out besides (notes).

    Models without a key here are passed over: jobs may run where there is one.
    """
    problems: list[str] = []
    notes: list[str] = []
    asked: dict[str, OpenAIJudge | OpenAITranslator] = {}
    for name in judges:
        judge = config.judges[name]
        if isinstance(judge, OpenAIJudge):
            asked[f"judges.{name}"] = judge
    for name in translators:
        translator = config.translators[name]
        if isinstance(translator, OpenAITranslator):
            asked[f"translators.{name}"] = translator
    folder = root / "journals"
    for where, settings in asked.items():
        try:
            read_key(settings, where, settings.url)
        except BabelmixError:
            continue
        # In the place where judges' notes have always been.
        place = folder / ("judge" if isinstance(settings, OpenAIJudge) else "translate-probes")
        try:
            with Journal(place / "probes.jsonl") as journal:
                notes += _probe(settings, where, folder / "spending", journal)
        except StoppedBySignalError:
            raise
        except ServiceStoppedError as error:
            problems.append(str(error))
        except BabelmixError as error:
            later = " It is asked when its time comes." if is_loopback(settings.url) else ""
            notes.append(f"{where}: not tried before the run: {error}{later}")
    return problems, notes


def _question(settings: OpenAIJudge | OpenAITranslator) -> tuple[str, Messages, dict[str, Any]]:
    """The probe's key in the journal, its messages and the options of its request."""
    if isinstance(settings, OpenAITranslator):
        messages = [_SYSTEM, {"role": "user", "content": "Good morning."}]
        depends_on = [settings.model, settings.temperature, settings.sampling(), settings.url]
        return digest(["translator", *depends_on]), messages, {}
    seal = probe_request(settings)
    messages = [_SYSTEM, *seal.messages]
    options = dict(seal.options) if settings.structured == "auto" else {}
    key = digest([call_key(settings, messages, options.get("response_format")), settings.url])
    return key, messages, options


def _probe(
    settings: OpenAIJudge | OpenAITranslator, where: str, spending: Path, journal: Journal
) -> list[str]:
    """Ask once, unless an earlier start has; what is worth saying of it."""
    key, messages, options = _question(settings)
    if key in journal:
        return []
    small = settings.model_copy(
        update={"max_tokens": min(settings.max_tokens, _REPLY_TOKENS), "mode": "realtime"}
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
