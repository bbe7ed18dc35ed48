"""Backends: real clients against a server on loopback, the real Apertium, the memory."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from babelmix.errors import BabelmixError
from babelmix.io import canonical_json, write_table
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
            def do_GET(self) -> None:
                self.answer(None)

            def do_POST(self) -> None:
                self.answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def answer(self, body: Any) -> None:
                headers = {k.lower(): v for k, v in self.headers.items()}
                if body is None and outer.languages(self.path) is not None:
                    status, answer = 200, outer.languages(self.path)
                else:
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

    def languages(self, path: str) -> Any:
        """What the services answer when they are asked for their languages."""
        if path.startswith("/language/translate/v2/languages"):
            return {"data": {"languages": [{"language": c} for c in ("en", "de", "iw")]}}
        if path.startswith("/v2/languages"):
            codes = ("EN", "EN-US", "DE", "PT-PT", "ZH-HANS")
            return [{"language": c, "name": c, "supports_formality": True} for c in codes]
        return None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babelmix.service.retry.WAIT_SCALE", 0.001)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def backend(translator: dict[str, Any], lang: str = "de", **more: Any) -> Backend:
    given = {"version": 1, "dataset": "d", "lang": lang, "pivot": "en", "shard": 0, "shards": 1}
    given |= {"translator_name": "mine", "translator": translator}
    return make_backend(TranslateSpec.model_validate(given | more))


# --- google --------------------------------------------------------------------------------------


def google(server: Server, lang: str = "de", **more: Any) -> Any:
    return backend({"backend": "google", "server_url": server.url}, lang, **more)


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
    made = google(server)
    assert made.translate(["a"]) == [Failure("HTTP 503", content=False)]
    with pytest.raises(BabelmixError, match=r"5 calls in a row failed.*HTTP 503"):
        [made.translate(["a"]) for _ in range(5)]


def test_google_and_deepl_refuse_what_they_do_not_offer(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", SECRET)
    monkeypatch.setenv("DEEPL_AUTH_KEY", SECRET)
    with pytest.raises(BabelmixError, match="unknown Google language 'xx'"):
        google(server, "xx")
    with pytest.raises(BabelmixError, match="unknown DeepL language 'SW'"):
        deepl(server, "sw")
    assert not server.requests, "nothing is sent to be translated"


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
    assert google(server).translate(["a", "b"]) == [Failure("empty translation")] * 2


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


def test_deepl_glossary_and_limits(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPL_AUTH_KEY", SECRET)
    glossary = {"glossary_id": "g1", "name": "terms", "ready": True, "source_lang": "en"}
    glossary |= {"target_lang": "de", "creation_time": "2026-01-01T00:00:00.000Z", "entry_count": 1}

    def reply(path: str, body: Any) -> tuple[int, Any]:
        if path == "/v2/glossaries/g1":
            return 200, glossary
        return 200, {
            "translations": [
                {"detected_source_language": "EN", "billed_characters": 1, "text": "x"}
            ]
        }

    server.reply = reply
    given = {"backend": "deepl", "server_url": server.url, "formality": "prefer_more"}
    made = backend(given | {"glossaries": {"de": "g1"}})
    made.translate(["a"])
    body = server.requests[-1][2]
    assert (body["glossary_id"], body["formality"]) == ("g1", "prefer_more")
    assert made.settings["glossary"] == "g1"
    with pytest.raises(BabelmixError, match="glossary 'terms' is for EN to DE"):
        backend(given | {"glossaries": {"pt": "g1"}}, "pt")
    # 12 bytes a character is the most that JSON makes of one: a request stays below 128 KiB.
    assert 12 * (made.limits.batch_chars or 0) + 50 * 4 + 500 < 128 * 1024


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
    assert made.translate(["Hi\n", "Hi", "x", "r"]) == ["Hallo\n", "Hallo", missing, "s"]
    assert made.translate(["- Hi\n\n`c` r"]) == [missing]
    assert made.translate(["- Hi\n\nr"]) == ["- Hallo\n\ns"]
    assert made.unit == "text"
    with pytest.raises(BabelmixError, match="no text in both 'en' and 'fr'"):
        backend({"backend": "memory", "path": str(tmp_path / "m.jsonl")}, "fr")


TMX = """<?xml version="1.0" encoding="UTF-8"?>
<tmx version="1.4"><header srclang="en" datatype="plaintext"/><body>
<tu><tuv xml:lang="en-US"><seg>Good <bpt i="1"/>day<ept i="1"/></seg></tuv>
<tuv xml:lang="de-DE"><seg>Guten Tag</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Bye</seg></tuv><tuv xml:lang="fr"><seg>Salut</seg></tuv></tu>
</body></tmx>"""


def test_memory_from_tmx(tmp_path: Path) -> None:
    (tmp_path / "m.tmx").write_text(TMX)
    made = backend({"backend": "memory", "path": str(tmp_path / "m.tmx")})
    missing = Failure("not in the translation memory")
    assert made.translate(["Good day", "# Good day\n- Good day", "Bye"]) == [
        "Guten Tag",
        "# Guten Tag\n- Guten Tag",
        missing,
    ]
    (tmp_path / "m.tmx").write_text(TMX[:200])
    with pytest.raises(BabelmixError, match="not valid XML"):
        backend({"backend": "memory", "path": str(tmp_path / "m.tmx")})


def test_memory_from_parquet(tmp_path: Path) -> None:
    path = str(tmp_path / "m.parquet")
    for table in (
        {"en": ["Hi", "x"], "de": ["Hallo", None]},
        {"translation": [{"en": "Hi", "de": "Hallo"}, None]},
    ):
        write_table(path, pa.table(table))
        made = backend({"backend": "memory", "path": path})
        assert made.translate(["Hi", "x"]) == ["Hallo", Failure("not in the translation memory")]
    write_table(path, pa.table({"other": ["Hi"]}))
    with pytest.raises(BabelmixError, match="no text in both"):
        backend({"backend": "memory", "path": path})


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
