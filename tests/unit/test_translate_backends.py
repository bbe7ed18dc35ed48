"""Backends: real clients against a server on loopback, the real Apertium, the memory."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from babelmix.errors import BabelmixError
from babelmix.io import canonical_json
from babelmix.specs import TranslateSpec
from babelmix.translate.backends import Backend, Failure, make_backend

SECRET = "sk-very-secret"


class Server:
    """Answers POSTs by ``reply(path, body) -> (status, JSON)``; keeps what it was sent."""

    def __init__(self) -> None:
        self.reply: Callable[[str, Any], tuple[int, Any]] = lambda path, body: (500, {})
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {k.lower(): v for k, v in self.headers.items()}
                outer.requests.append((self.path, headers, body))
                status, answer = outer.reply(self.path, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.send_header("retry-after-ms", "1")
                if status in (302, 307):
                    self.send_header("location", f"{outer.url}/elsewhere")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def backend(translator: dict[str, Any], lang: str = "de", **more: Any) -> Backend:
    given = {"version": 1, "dataset": "d", "lang": lang, "pivot": "en", "shard": 0, "shards": 1}
    given |= {"translator_name": "mine", "translator": translator}
    return make_backend(TranslateSpec.model_validate(given | more))


# --- openai --------------------------------------------------------------------------------------


def completion(content: str | None, finish_reason: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def openai(server: Server, **more: Any) -> Backend:
    return backend({"backend": "openai", "model": "m", "base_url": f"{server.url}/v1"} | more)


def test_openai_translates(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    server.reply = lambda path, body: (
        200,
        completion(body["messages"][1]["content"].upper() + "\n"),
    )
    made = openai(server, key_env="MY_KEY", concurrency=3)
    assert made.translate(["a {x}", "b"]) == ["A {X}", "B"]
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert body["messages"][1] == {"role": "user", "content": "a {x}"}
    assert "from English into German" in body["messages"][0]["content"]
    assert (body["temperature"], body["max_tokens"]) == (0.0, 2048)
    assert (made.concurrency, made.batch_size) == (3, 1)


def test_openai_failures_of_single_texts(server: Server) -> None:
    replies = {
        "long": (200, completion("half a", "length")),
        "filtered": (200, completion(None, "content_filter")),
        "empty": (200, completion("  ")),
        "refused": (400, {"error": {"message": "no"}}),
        "none": (200, completion("x") | {"choices": []}),
    }
    server.reply = lambda path, body: replies[body["messages"][1]["content"]]
    assert openai(server).translate(list(replies)) == [
        Failure("cut at max_tokens"),
        Failure("finish_reason content_filter"),
        Failure("empty translation"),
        Failure("refused by the server (HTTP 400)"),
        Failure("the reply holds no choice"),
    ]


def test_openai_tries_again(server: Server) -> None:
    answers = [(429, {}), (503, {}), (200, completion("ja"))]
    server.reply = lambda path, body: answers.pop(0)
    assert openai(server).translate(["yes"]) == ["ja"]


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "environment variable MY_KEY"), (404, "Check `model`"), (429, "lower `concurrency`")],
)
def test_openai_stops_the_job(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int, said: str
) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    monkeypatch.setattr("babelmix.translate.backends.openai._RETRIES", 1)
    server.reply = lambda path, body: (status, {"error": {"message": f"no {SECRET}"}})
    with pytest.raises(BabelmixError) as error:
        openai(server, key_env="MY_KEY").translate(["yes"])
    assert said in str(error.value)
    assert SECRET not in str(error.value)
    assert len(server.requests) == (2 if status == 429 else 1)


def test_openai_never_takes_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client would send OPENAI_API_KEY to any base_url when it is given no key."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.delenv("MY_KEY", raising=False)
    remote = {"backend": "openai", "model": "m", "base_url": "https://llm.example.org/v1"}
    with pytest.raises(BabelmixError, match="environment variable MY_KEY"):
        backend(remote | {"key_env": "MY_KEY"})


def test_openai_local_servers_need_no_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.delenv("MY_KEY", raising=False)
    server.reply = lambda path, body: (200, completion("ja"))
    assert openai(server, key_env="MY_KEY").translate(["yes"]) == ["ja"]
    assert SECRET not in canonical_json(server.requests[0][1])


def test_openai_settings_hold_no_secret_host_or_price(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    one = openai(server, key_env="MY_KEY", price_per_million_chars=3, concurrency=2).settings
    other = backend({"backend": "openai", "model": "m", "base_url": "http://localhost:1"}).settings
    assert one == other
    assert openai(server, key_env="MY_KEY", temperature=0.5).settings != one
    assert SECRET not in canonical_json(one)


def test_openai_names_unknown_languages_by_code(server: Server) -> None:
    translator = {"backend": "openai", "model": "m", "base_url": server.url}
    assert "code 'xx'" in backend(translator, "xx").settings["prompt"]
    swiss = backend(translator, "de-CH", lang_codes={"openai": "Swiss German"})
    assert "into Swiss German" in swiss.settings["prompt"]


# --- google --------------------------------------------------------------------------------------


def google(server: Server, lang: str = "de", **more: Any) -> Any:
    made: Any = backend({"backend": "google", "server_url": server.url}, lang, **more)
    made.wait_s = 0.001
    return made


def google_reply(path: str, body: Any) -> tuple[int, Any]:
    return 200, {"data": {"translations": [{"translatedText": t.upper()} for t in body["q"]]}}


def test_google_translates(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", SECRET)
    server.reply = google_reply
    made = google(server, "he", lang_codes={"google": "iw"})
    assert made.translate(["a", "b"]) == ["A", "B"]
    path, headers, body = server.requests[0]
    assert path == "/language/translate/v2"
    assert headers["x-goog-api-key"] == SECRET
    assert body == {"q": ["a", "b"], "source": "en", "target": "iw", "format": "text"}
    assert SECRET not in canonical_json(made.settings)


def test_google_tries_again_and_then_stops(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", SECRET)
    answers = [(429, {}), (500, {})]
    server.reply = lambda path, body: answers.pop(0) if answers else google_reply(path, body)
    assert google(server).translate(["a"]) == ["A"]
    server.reply = lambda path, body: (503, {})
    with pytest.raises(BabelmixError, match=r"busy or cannot be reached.*HTTP 503"):
        google(server).translate(["a"])


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (403, {}, "refused the key in GOOGLE_API_KEY"),
        (400, {}, "refused the request (HTTP 400)"),
        (200, {"data": {}}, "a reply of another shape"),
        (307, {}, "refused the request (HTTP 307)"),
    ],
)
def test_google_stops_the_job(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int, answer: Any, said: str
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", SECRET)
    server.reply = lambda path, body: (status, answer)
    with pytest.raises(BabelmixError) as error:
        google(server).translate(["a"])
    assert said in str(error.value)
    assert SECRET not in str(error.value)
    assert len(server.requests) == 1, "a redirect must not carry the key elsewhere"


def test_google_failures(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", SECRET)
    server.reply = lambda path, body: (200, {"data": {"translations": [{"translatedText": " "}]}})
    assert google(server).translate(["a"]) == [Failure("empty translation")]
    both = [Failure("1 translations for 2 texts")] * 2
    assert google(server).translate(["a", "b"]) == both


@pytest.mark.parametrize("name", ["google", "deepl"])
def test_a_key_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    with pytest.raises(BabelmixError, match=r"translators\.mine: no key.*NO_KEY"):
        backend({"backend": name, "key_env": "NO_KEY"})


# --- deepl ---------------------------------------------------------------------------------------


def deepl(server: Server, lang: str = "de", **more: Any) -> Backend:
    return backend({"backend": "deepl", "server_url": server.url}, lang, **more)


def test_deepl_translates(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPL_AUTH_KEY", SECRET)

    def reply(path: str, body: Any) -> tuple[int, Any]:
        common = {"detected_source_language": "EN", "billed_characters": 1}
        return 200, {"translations": [common | {"text": t.upper()} for t in body["text"]]}

    server.reply = reply
    made = deepl(server, "pt")
    assert made.translate(["a", " "]) == ["A", Failure("empty translation")]
    path, headers, body = server.requests[0]
    assert path == "/v2/translate"
    assert SECRET in headers["authorization"]
    assert (body["source_lang"], body["target_lang"]) == ("EN", "PT-PT")
    assert deepl(server, "zh", lang_codes={"deepl": "ZH-HANS"}).settings["target"] == "ZH-HANS"
    assert SECRET not in canonical_json(made.settings)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "refused the key in DEEPL_AUTH_KEY"),
        (456, "quota is used up"),
        (400, "refused the request"),
        (200, "sent a reply of another shape"),
    ],
)
def test_deepl_stops_the_job(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int, said: str
) -> None:
    monkeypatch.setenv("DEEPL_AUTH_KEY", SECRET)
    server.reply = lambda path, body: (status, {"message": "no", "translations": [{}]})
    with pytest.raises(BabelmixError) as error:
        deepl(server).translate(["a"])
    assert said in str(error.value)
    assert SECRET not in str(error.value)


# --- memory and identity -------------------------------------------------------------------------


def test_memory(tmp_path: Path) -> None:
    rows = [
        {
            "id": "1",
            "turns": [{"role": "user", "en": "Hi\n", "de": "Hallo\n"}, {"en": "x", "de": ""}],
        },
        {
            "question_id": "q",
            "turns": [{"en": "Hi\n", "de": "Na"}],
            "reference": [{"en": "r", "de": "s"}],
        },
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    made = backend({"backend": "memory", "path": str(tmp_path / "m.jsonl")})
    missing = Failure("not in the translation memory")
    assert made.translate(["Hi\n", "Hi", "x", "r"]) == ["Hallo\n", missing, missing, "s"]
    assert made.whole_texts
    with pytest.raises(BabelmixError, match="no text in both 'en' and 'fr'"):
        backend({"backend": "memory", "path": str(tmp_path / "m.jsonl")}, "fr")


def test_identity() -> None:
    assert backend({"backend": "identity"}).translate(["a b", "c"]) == ["a b", "c"]


# --- apertium ------------------------------------------------------------------------------------

MODES = {"es": ["eng-spa"], "fr": ["eng-spa", "es-fr"], "xx": ["eng-tlh"]}
apertium_only = pytest.mark.skipif(shutil.which("apertium") is None, reason="needs apertium")


def test_apertium_missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        BabelmixError, match=r"not installed.*apertium apertium-eng-spa apertium-fr-es"
    ):
        backend({"backend": "apertium", "modes": MODES}, "fr")


def test_apertium_language_without_a_chain() -> None:
    with pytest.raises(BabelmixError, match=r"translators\.mine\.modes: no chain for 'de'"):
        backend({"backend": "apertium", "modes": MODES}, "de")


@apertium_only
def test_apertium_missing_mode() -> None:
    with pytest.raises(BabelmixError, match=r"no mode eng-tlh .*apertium-eng-tlh"):
        backend({"backend": "apertium", "modes": MODES}, "xx")


@apertium_only
def test_apertium_keeps_texts_apart_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = backend({"backend": "apertium", "modes": MODES}, "fr")
    calls: list[str] = []
    step = made._step
    monkeypatch.setattr(made, "_step", lambda mode, texts: calls.append(mode) or step(mode, texts))
    texts = ["The house is big", "the cat and", "Use XQ1X, please.", "a [b] ^c$ \\ {d} @", "…"]
    found = made.translate(texts * 20)
    assert found[:5] * 20 == found
    assert found[0] == "La maison est grande"
    assert "XQ1X" in found[2]
    assert all(mark in found[3] for mark in ("[b]", "^", "$", "\\", "@"))
    assert calls == ["eng-spa", "es-fr"]


@apertium_only
def test_apertium_failures_are_pinned_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that breaks is halved until the text that breaks it is alone."""
    made: Any = backend({"backend": "apertium", "modes": MODES}, "es")

    def run(mode: str, stream: str) -> tuple[str, str | None]:
        return (
            ("", "apertium eng-spa ended with 139") if "boom" in stream else (stream.upper(), None)
        )

    monkeypatch.setattr("babelmix.translate.backends.apertium._run", run)
    found = made.translate(["a", "b", "boom", "c", "d\0 e"])
    assert found == ["A", "B", Failure("apertium eng-spa ended with 139"), "C", "D E"]
    monkeypatch.setattr("babelmix.translate.backends.apertium._run", lambda m, s: ("", None))
    assert made.translate(["a"]) == [Failure("apertium eng-spa gave 1 paragraphs for 1")]
