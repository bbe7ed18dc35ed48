"""Rows: errors that tell (point 18)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from . import bodies, refusals
from .driver import INCOMPLETE, STOPPED, TIMED_OUT, WHOLE
from .models import (
    Model,
    when,
)
from .rows_refusals import passes
from .server import Answer, Call, self_signed
from .table import Bench, row

# --- 18: errors that tell ------------------------------------------------------------------------


@row("18", "TLS by a certificate that nobody vouches for", quick=True)
def tls(bench: Bench) -> None:
    folder = bench.folder.parent
    server = bench.serve(Model(), tls=self_signed(Path(folder)))
    run = bench.judge(server.base_url, 20, timeout_s=3.0)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "certificate")
    bench.check(run.seconds < 15, f"it took {run.seconds:.0f} s")


@row("18", "plain http where https is spoken, and the other way round")
def wrong_scheme(bench: Bench) -> None:
    server = bench.serve(Model())
    run = bench.judge(server.base_url.replace("http:", "https:"), 20, timeout_s=3.0)
    bench.equal(run.code, STOPPED, "status")
    bench.check("https" in run.said or "SSL" in run.said or "TLS" in run.said, run.said[-400:])
    bench.check(run.seconds < 60, f"it took {run.seconds:.0f} s")


@row("18", "a key with typographic quotes", quick=True)
def odd_key(bench: Bench) -> None:
    server = bench.serve(Model())
    bench.environment["OPENAI_API_KEY"] = "\u201csk-very-secret\u201d"
    for verb in (bench.judge, bench.translate):
        run = verb(server.base_url, 20, limit_s=40)
        bench.equal(run.code, STOPPED, f"status of {verb.__name__}")
        bench.says(run, "OPENAI_API_KEY")
        bench.check("Traceback" not in run.said, run.said[-300:])
        bench.check("sk-very-secret" not in run.said, "the key is printed")


@row("18", "a key with a line break at its end is taken as it is meant")
def key_with_break(bench: Bench) -> None:
    server = bench.serve(Model())
    bench.environment["OPENAI_API_KEY"] = " sk-very-secret\n"
    run = bench.judge(server.base_url, 5)
    bench.equal((run.code, run.scored), (WHOLE, 5), "status, scored")


def told(bench: Bench, answer: Answer, *words: str, verb: str = "judge") -> None:
    """Every call gets this: the user must read the server's own words."""
    server = bench.serve(Model(checks=(when(lambda call: True, answer),)))
    run = getattr(bench, verb)(server.base_url, 60, limit_s=60)
    bench.check(run.code in (STOPPED, INCOMPLETE), f"status {run.code}: {run.said[-300:]}")
    bench.says(run, *words)
    bench.check(len(server.posts()) <= 60, f"{len(server.posts())} calls")
    bench.check("Traceback" not in run.said, run.said[-300:])


@row("18", "HTML with status 200 (a log-in page)", quick=True)
def html(bench: Bench) -> None:
    told(bench, bodies.html_in_200(), "Sign in to Contoso")


@row("18", "an event stream with status 200", quick=True)
def stream(bench: Bench) -> None:
    told(bench, bodies.stream_in_200(), "chat.completion.chunk")


@row("18", "openrouter: {'error': …} with status 200", quick=True)
def error_200(bench: Bench) -> None:
    told(bench, bodies.error_in_200(), "Overloaded")


@row("18", "the same for a translator and a served model")
def error_200_others(bench: Bench) -> None:
    told(bench, bodies.error_in_200(), "Overloaded", verb="translate")
    told(bench, bodies.html_in_200(), "Sign in to Contoso", verb="answer")


@row("18", "choices null with status 200", source="decolua/9router#2727")
def null_choices(bench: Bench) -> None:
    told(bench, bodies.no_choices_in_200(), "choices")


@row("18", "an empty body with status 200")
def empty_body(bench: Bench) -> None:
    told(bench, Answer(body=b""), "no completion")


@row("18", "{'error': …} with status 200, once for each call, then a reply")
def error_200_once(bench: Bench) -> None:
    passes(bench, bodies.error_in_200())


@row("18", "openrouter: blank lines before the JSON of a slow reply", source="CLIProxyAPI#2690")
def blank_lines(bench: Bench) -> None:
    model = Model()

    def provider(call: Call) -> Answer:
        found = model(call)
        return dataclasses.replace(found, body=bodies.comment_before_json(found.body))

    server = bench.serve(provider)
    run = bench.judge(server.base_url, 10)
    bench.scored = f"{run.scored} of 10"
    bench.equal((run.code, run.scored), (WHOLE, 10), "status, scored")
    bench.exact()


@row("18", "litellm: 400 for all, its own classes before the words; 300 characters of it")
def litellm_words(bench: Bench) -> None:
    words = "litellm.BadRequestError: AzureException BadRequestError - " + "why it is so, " * 30
    value = {"message": words, "type": None, "param": None, "code": "400"}
    told(bench, bodies.as_json({"error": value}, 400), words[:250])


@row("18", "an error whose words hold a control character and an escape sequence")
def escape_words(bench: Bench) -> None:
    server = bench.serve(
        Model(checks=(when(lambda c: True, refusals.error(401, "no\x1b[31m\x07 key")),))
    )
    run = bench.judge(server.base_url, 10)
    bench.equal(run.code, STOPPED, "status")
    bench.check("\x1b" not in run.err + run.out, "an escape sequence reached the terminal")


@row("18", "a redirect to another host is not followed with the key")
def redirect(bench: Bench) -> None:
    other = bench.serve(Model())
    answer = Answer(status=307, headers={"location": f"{other.base_url}/chat/completions"})
    server = bench.serve(Model(checks=(when(lambda call: True, answer),)))
    run = bench.judge(server.base_url, 20, limit_s=60)
    bench.check(run.code in (STOPPED, INCOMPLETE), f"status {run.code}")
    bench.equal(len(other.posts()), 0, "calls of the other host")
    bench.says(run, "307")


@row("18", "a server that drips a byte at a time is not waited for without end")
def drip(bench: Bench) -> None:
    server = bench.serve(Model(fault=lambda c: {"drip_s": 0.05} if c.nth == 0 else {}))
    run = bench.judge(server.base_url, 8, timeout_s=1.0)
    bench.scored = f"{run.scored} of 8"
    bench.equal((run.code, run.scored), (WHOLE, 8), "status, scored")
    bench.check(run.seconds < 30, f"it took {run.seconds:.0f} s")
    bench.covered()


@row("18", "nothing listens there")
def nobody(bench: Bench) -> None:
    run = bench.judge("http://127.0.0.1:9/v1", 20, limit_s=30)
    bench.equal(run.code, STOPPED, "status")
    bench.says(run, "127.0.0.1:9")
    bench.check(run.code != TIMED_OUT, "hangs")
