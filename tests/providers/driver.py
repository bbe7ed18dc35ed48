"""How the table drives Babelmix: the one file that knows its verbs, settings, journals and ledger.

Each verb runs as its own process: a fork of a server that has its imports already, so that a row
takes a moment, and can be killed like any other.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from babelmix.io import canonical_json, digest, read_records, write_json, write_records
from babelmix.records import Answer, Conversation, Judgement, Message, Question
from tests.options import as_options

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-very-secret"
#: What a verb says by its exit status.
WHOLE, STOPPED, CAPPED, INCOMPLETE = 0, 2, 3, 4
TIMED_OUT = -1
#: Waits that Babelmix chooses itself are shortened to this share.
WAIT_SCALE = 0.02

#: Settings of each payer in every row, unless the row says otherwise: the simulator's own prices,
#: and leave to spend.
COMMON: dict[str, Any] = {
    "model": "m",
    "price_in": 100.0,
    "price_out": 400.0,
    "concurrency": 8,
    "timeout_s": 10.0,
}
JUDGE: dict[str, Any] = {"engine": "openai", "max_tokens": 500, "max_retries": 2}
JUDGE |= {"confirm_cost": 1e6}
TRANSLATOR: dict[str, Any] = {"backend": "openai", "max_tokens": 500}
GENERATION: dict[str, Any] = {"engine": "openai", "max_new_tokens": 100}
TRANSLATOR |= {"max_retries": 2, "confirm_cost": 1e6}
GENERATION |= {"max_retries": 2, "confirm_cost": 1e6}


@dataclass
class Run:
    """A verb that ended: its status, what it printed, the records that it wrote (none: no file)."""

    code: int
    out: str
    err: str
    seconds: float
    rows: list[Any] = field(default_factory=list)
    written: bool = False

    @property
    def said(self) -> str:
        """All that a user reads, on one line."""
        return " ".join((self.out + " " + self.err).split())

    @property
    def scored(self) -> int:
        """Judgements with a verdict."""
        return sum(row.unscored_reason is None for row in self.rows)

    @property
    def reasons(self) -> list[str]:
        """Why the others have none."""
        return [row.unscored_reason for row in self.rows if row.unscored_reason]

    @property
    def translated(self) -> int:
        """Rows whose parts were all translated."""
        return sum(all(check.ok for check in row.checks) for row in self.rows)

    @property
    def answered(self) -> int:
        """Answers that are no errors."""
        return sum(row.finish_reason != "error" for row in self.rows)


# --- processes -----------------------------------------------------------------------------------

# A killed verb cannot give back the locks of its progress bar: no news at the end of the tests.
sys.warnoptions.append("ignore::UserWarning:multiprocessing.resource_tracker")
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.providers.preload"])


def _child(words: list[str], out: str, err: str, environment: dict[str, str], where: str) -> None:
    """In the new process: the command line, as a shell would call it."""
    for path, target in ((out, 1), (err, 2)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, target)
    for name, target in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, open(target, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    os.environ.update(environment)
    os.chdir(where)
    from babelmix.cli import main

    code = 1
    try:
        code = main(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    sys.exit(code)


@dataclass
class Verb:
    """A verb that runs."""

    process: BaseProcess
    out: Path
    err: Path
    output: Path
    record: type
    began: float

    def kill(self) -> None:
        """kill -9."""
        if self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()

    def wait(self, limit_s: float = 90.0) -> Run:
        """Its end, or TIMED_OUT after killing it."""
        self.process.join(limit_s)
        late = self.process.is_alive()
        if late:
            self.kill()
        written = self.output.exists()
        return Run(
            code=TIMED_OUT if late else int(self.process.exitcode or 0),
            out=_text(self.out),
            err=_text(self.err),
            seconds=time.monotonic() - self.began,
            rows=read_records(self.output, self.record) if written else [],
            written=written,
        )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


class Desk:
    """A study set's folder, and the verbs run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"BABELMIX_WAIT_SCALE": str(WAIT_SCALE), "OPENAI_API_KEY": KEY}
        self._runs = 0
        folder.mkdir(parents=True, exist_ok=True)

    def _start(self, words: Sequence[str], output: Path, record: type) -> Verb:
        self._runs += 1
        out, err = (self.folder / f"{self._runs}.{name}" for name in ("out", "err"))
        output.unlink(missing_ok=True)
        # Not where the tests are: the verbs find everything by the paths that they are given.
        arguments = (list(words), str(out), str(err), self.environment, str(self.folder))
        process = _CONTEXT.Process(target=_child, args=arguments)
        began = time.monotonic()
        process.start()
        return Verb(process, out, err, output, record, began)

    # --- judging ---------------------------------------------------------------------------------

    def start_judge(
        self,
        base_url: str,
        texts: Sequence[str] | int = 20,
        *,
        run: str = "run",
        lang: str = "en",
        questions: Sequence[str] | None = None,
        pairs: bool = False,
        judge_name: str = "j",
        **settings: Any,
    ) -> Verb:
        """Start judging a run's answers; ``texts`` are they, or how many."""
        texts = numbered_texts(texts)
        asked = questions or [f"Question {i}?" for i in range(len(texts))]
        held = [Question(f"{i:05}", lang, "writing", [text]) for i, text in enumerate(asked)]
        file = self.folder / f"q.{run}.parquet"
        write_records(file, held, Question)
        self._answers(run, held, texts)
        judge = COMMON | JUDGE | {"base_url": base_url} | settings
        protocol = "pairwise" if pairs else "single"
        spec = {
            "version": 1,
            "run": run,
            "benchmark": "b",
            "languages": [lang],
            "protocol": protocol,
            "judge_name": judge_name,
            "judge": judge,
            "baseline": "base" if pairs else None,
            "all_languages": [lang],
        }
        evaluation = f"b.{judge_name}.{protocol}"
        output = self.folder / "judgements" / evaluation / f"{run}.parquet"
        journal = self.folder / "journals" / "judge" / evaluation / f"{run}.jsonl"
        words = ["judge-pairs" if pairs else "judge-single", *as_options(canonical_json(spec))]
        words += ["--answers", str(self.folder / f"{run}.parquet")]
        words += ["--questions", str(file), "--journal", str(journal)]
        if pairs:
            self._answers("base", held, [f"Another: {text}" for text in texts])
            words += ["--baseline-map", json.dumps({lang: "base"})]
            words += ["--baseline-answers", str(self.folder / "base.parquet")]
        return self._start([*words, "--output", str(output)], output, Judgement)

    def judge(self, *args: Any, limit_s: float = 90.0, **settings: Any) -> Run:
        """Judge, and wait for the end."""
        return self.start_judge(*args, **settings).wait(limit_s)

    def _answers(self, run: str, questions: Sequence[Question], texts: Sequence[str]) -> None:
        rows = [
            Answer(q.question_id, q.lang, q.category, 1, run, q.turns[0], text, "stop", 9, 9, "")
            for q, text in zip(questions, texts, strict=True)
        ]
        write_records(self.folder / f"{run}.parquet", rows, Answer)

    # --- translating -----------------------------------------------------------------------------

    def start_translate(
        self,
        base_url: str,
        texts: Sequence[str] | int = 20,
        *,
        lang: str = "de",
        shard: int = 0,
        shards: int = 1,
        name: str = "t",
        **settings: Any,
    ) -> Verb:
        """Start translating rows of one message each."""
        texts = numbered_texts(texts)
        rows = [
            Conversation(f"r{i:05}", "en", "d", "s", [Message("user", text)])
            for i, text in enumerate(texts)
        ]
        pivot = self.folder / f"pivot.{lang}.{shard}.parquet"
        write_records(pivot, rows, Conversation)
        spec = {
            "version": 1,
            "dataset": "d",
            "lang": lang,
            "pivot": "en",
            "shard": shard,
            "shards": shards,
            "translator_name": name,
            "translator": COMMON | TRANSLATOR | {"base_url": base_url} | settings,
        }
        output = self.folder / "translations" / f"d.{lang}" / f"{shard}.parquet"
        journal = self.folder / "journals" / "translate" / f"d.{lang}.{shard}.jsonl"
        words = ["translate", *as_options(canonical_json(spec)), "--journal", str(journal)]
        words += ["--input", str(pivot), "--output", str(output)]
        words += ["--manifest", str(output.with_suffix(".json"))]
        return self._start(words, output, Conversation)

    def translate(self, *args: Any, limit_s: float = 90.0, **settings: Any) -> Run:
        """Translate, and wait for the end."""
        return self.start_translate(*args, **settings).wait(limit_s)

    # --- answering -------------------------------------------------------------------------------

    def start_answer(
        self, base_url: str, texts: Sequence[str] | int = 20, *, run: str = "tuned", **settings: Any
    ) -> Verb:
        """Start answering questions by a served model."""
        texts = numbered_texts(texts, "Question")
        held = [Question(f"{i:05}", "en", "writing", [text]) for i, text in enumerate(texts)]
        asked = self.folder / f"asked.{run}.parquet"
        write_records(asked, held, Question)
        checkpoint = ROOT / "resources" / "demo" / "base"
        template = (checkpoint / "chat_template.jinja").read_text(encoding="utf-8")
        write_json(self.folder / "done.json", {"template_digest": digest(template)})
        common = {name: value for name, value in COMMON.items() if name != "model"}
        generation = common | GENERATION | {"base_url": base_url} | settings
        spec = {
            "version": 1,
            "run": run,
            "benchmark": "b",
            "languages": ["en"],
            "device": "cpu",
            "trust_remote_code": False,
            "system_prompts": {},
            "generation": generation,
        }
        output = self.folder / "answers" / "b" / f"{run}.parquet"
        journal = self.folder / "journals" / "answer" / "b" / f"{run}.jsonl"
        words = ["answer", *as_options(canonical_json(spec)), "--journal", str(journal)]
        words += ["--questions", str(asked)]
        words += ["--checkpoint", str(checkpoint), "--completed", str(self.folder / "done.json")]
        words += ["--threads", "1"]
        return self._start([*words, "--output", str(output)], output, Answer)

    def answer(self, *args: Any, limit_s: float = 90.0, **settings: Any) -> Run:
        """Answer, and wait for the end."""
        return self.start_answer(*args, **settings).wait(limit_s)

    def verb(self, *words: str, limit_s: float = 60.0) -> Run:
        """Any other verb."""
        nothing = self.folder / "nothing"
        return self._start(words, nothing, Judgement).wait(limit_s)

    # --- what is kept ----------------------------------------------------------------------------

    def entries(self) -> list[dict[str, Any]]:
        """The replies in all journals of calls, the last of each key in each file."""
        found: dict[tuple[Path, str], dict[str, Any]] = {}
        for kind in ("judge", "translate", "answer"):
            for path in sorted((self.folder / "journals" / kind).glob("**/*.jsonl")):
                for line in path.read_bytes().splitlines():
                    with contextlib.suppress(ValueError):  # a killed writer's last line
                        entry = json.loads(line)
                        if "text" in entry or "failure" in entry:
                            found[path, entry["key"]] = entry
        return list(found.values())

    def journalled(self) -> int:
        """How many replies the journals hold."""
        return sum("text" in entry for entry in self.entries())

    def ledger(self, payer: str | None = None) -> float:
        """US dollars that the study set's ledger counts as spent (or promised)."""
        last: dict[tuple[str, str], float] = {}
        for path in (self.folder / "journals" / "spending").glob(f"{payer or '*'}.jsonl"):
            for line in path.read_bytes().splitlines():
                with contextlib.suppress(ValueError):
                    entry = json.loads(line)
                    last[path.name, entry["id"]] = entry["dollars"]
        return sum(last.values())

    def leaks(self, key: str = KEY) -> list[str]:
        """Files below the folder that hold the key."""
        held = [path for path in self.folder.rglob("*") if path.is_file()]
        return [str(path) for path in held if key.encode() in path.read_bytes()]


def numbered_texts(texts: Sequence[str] | int, what: str = "Answer") -> list[str]:
    """So many different texts, or those that are given."""
    if isinstance(texts, int):
        return [f"{what} number {i}, in a sentence of its own." for i in range(texts)]
    return list(texts)
