"""LibreTranslate and Azure AI Translator against a server of each on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.translation_server import Server

from babelmix.errors import BabelmixError
from babelmix.io import canonical_json
from babelmix.service import Ledger, ServiceStoppedError
from babelmix.specs import TranslateSpec
from babelmix.translate.backends import Failure, make_backend

SECRET = "4a5b6c7d-very-secret"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babelmix.service.retry.WAIT_SCALE", 0.001)
    monkeypatch.setenv("AZURE_TRANSLATOR_KEY", SECRET)
    monkeypatch.setenv("LIBRETRANSLATE_API_KEY", SECRET)


@pytest.fixture
def azure() -> Iterator[Server]:
    made = Server("azure")
    yield made
    made.close()


@pytest.fixture
def libre() -> Iterator[Server]:
    made = Server("libretranslate")
    yield made
    made.close()


def backend(server: Server, lang: str = "de", folder: Path | None = None, **more: Any) -> Any:
    given: dict[str, Any] = {"version": 1, "dataset": "d", "lang": lang, "pivot": "en"}
    given |= {"shard": 0, "shards": 1, "translator_name": "mine"}
    given["translator"] = {"backend": server.kind, "server_url": server.url} | more
    return make_backend(TranslateSpec.model_validate(given), folder)


# --- azure ---------------------------------------------------------------------------------------


def test_azure_translates(azure: Server) -> None:
    made = backend(azure, region="westeurope")
    assert made.translate(["a", "b"]) == ["A", "B"]
    path, query, headers, body = azure.requests[0]
    assert path == "/translate"
    assert query == {"api-version": ["3.0"], "from": ["en"], "to": ["de"]}
    assert headers["ocp-apim-subscription-key"] == SECRET
    assert headers["ocp-apim-subscription-region"] == "westeurope"
    assert body == [{"Text": "a"}, {"Text": "b"}]
    assert SECRET not in canonical_json(made.settings)


def test_azure_custom_model_and_varieties(azure: Server) -> None:
    backend(azure, "sr-Latn", category="mine-TECH").translate(["a"])
    query = azure.requests[0][1]
    assert (query["to"], query["category"], query["allowFallback"]) == (
        ["sr-Latn"],
        ["mine-TECH"],
        ["false"],
    )
    assert backend(azure, "zh").settings["target"] == "zh-Hans"
    with pytest.raises(BabelmixError, match="unknown Azure language 'xx'"):
        backend(azure, "xx")


def error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (401, error(401000, "credentials are missing or invalid"), "needs `region`"),
        (403, error(403001, "has exceeded its free quota"), "free quota is used up"),
        (403, error(403000, "not allowed"), "refused the key in AZURE_TRANSLATOR_KEY"),
        (400, error(400036, "target language not valid"), "refused the request (HTTP 400"),
        (401, None, "refused the key"),
        (307, None, "refused the request (HTTP 307"),
        (200, {"what": 1}, "a reply of another shape"),
    ],
)
def test_azure_stops_the_job(azure: Server, status: int, answer: Any, said: str) -> None:
    azure.before = lambda body: (status, answer)
    with pytest.raises(ServiceStoppedError) as raised:
        backend(azure).translate(["a"])
    assert said in str(raised.value)
    assert SECRET not in str(raised.value)
    assert len(azure.requests) == 1


def test_azure_rate_limits_and_outages_are_tried_again(azure: Server, tmp_path: Path) -> None:
    answers = [(429, error(429001, "exceeded request limits")), (503, None), (408, None)]
    azure.before = lambda body: answers.pop(0) if answers else None
    made = backend(azure, folder=tmp_path, price_per_million_chars=1e6, max_cost=100)
    assert made.translate(["ab\U0001f600"]) == ["AB\U0001f600"]
    assert len(azure.requests) == 4
    total = Ledger(tmp_path, "translators.mine", None).total()
    assert total == 4.0, "an emoji counts twice; what failed is not billed"


def test_azure_cap_is_kept(azure: Server, tmp_path: Path) -> None:
    made = backend(azure, folder=tmp_path, price_per_million_chars=1e6, max_cost=3)
    assert made.translate(["abc"]) == ["ABC"]
    with pytest.raises(BabelmixError, match="max_cost"):
        made.translate(["d"])
    assert len(azure.requests) == 1


def test_azure_too_long_a_request_goes_in_halves(azure: Server) -> None:
    too_long = (400, error(400077, "maximum request size has been exceeded"))
    azure.before = lambda body: too_long if len(body) > 1 or len(body[0]["Text"]) > 5 else None
    assert backend(azure).translate(["a", "b", "c" * 6, "d"]) == [
        "A",
        "B",
        Failure("refused by the server (HTTP 400: maximum request size has been exceeded)"),
        "D",
    ]


# --- libretranslate ------------------------------------------------------------------------------


def test_libretranslate_translates(libre: Server) -> None:
    made = backend(libre)
    assert made.translate(["a", "b"]) == ["A", "B"]
    path, _, _, body = libre.requests[0]
    assert path == "/translate"
    assert body == {
        "q": ["a", "b"],
        "source": "en",
        "target": "de",
        "format": "text",
        "api_key": SECRET,
    }
    assert SECRET not in canonical_json(made.settings)


def test_libretranslate_needs_no_key(libre: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIBRETRANSLATE_API_KEY")
    assert backend(libre).translate(["a"]) == ["A"]
    assert "api_key" not in libre.requests[0][3]
    libre.before = lambda body: (400, {"error": "Visit https://x.org to get an API key"})
    with pytest.raises(ServiceStoppedError, match=r"asks for a key.*LIBRETRANSLATE_API_KEY"):
        backend(libre).translate(["a"])


def test_libretranslate_spells_varieties_as_the_server_does(libre: Server) -> None:
    assert backend(libre, "zh-Hant").settings["target"] == "zt"
    assert backend(libre, "pt-BR").settings["target"] == "pb"
    libre.codes = ["en", "zh-Hant", "pt-BR"]
    assert backend(libre, "zh-TW").settings["target"] == "zh-Hant"
    with pytest.raises(BabelmixError, match="unknown LibreTranslate language 'de'"):
        backend(libre, "de")


@pytest.mark.parametrize(
    ("lang", "listed", "sent"),
    [
        ("fil", "tl", "tl"),  # what Google lists of what it takes
        ("jv", "jw", "jw"),
        ("he", "he", "he"),  # the catalogue says iw, as Google once did
        ("he", "iw", "iw"),
        ("nb", "no", "no"),
    ],
)
def test_google_lists_some_languages_by_other_names(
    monkeypatch: pytest.MonkeyPatch, lang: str, listed: str, sent: str
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", SECRET)
    server = Server("google")
    try:
        server.codes = ["en", listed]
        assert backend(server, lang).translate(["a"]) == ["A"]
        assert server.requests[0][3]["target"] == sent
    finally:
        server.close()


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (403, {"error": "Invalid API key"}, "refused the key in LIBRETRANSLATE_API_KEY"),
        (403, {"error": "Too many request limits violations"}, "limits violations"),
        (400, {"error": "de is not supported"}, "refused the request"),
        (200, {"translatedText": "one"}, "a reply of another shape"),
        (200, [], "a reply of another shape"),
    ],
)
def test_libretranslate_stops_the_job(libre: Server, status: int, answer: Any, said: str) -> None:
    libre.before = lambda body: (status, answer)
    with pytest.raises(ServiceStoppedError) as raised:
        backend(libre).translate(["a"])
    assert said in str(raised.value)
    assert SECRET not in str(raised.value)


def test_libretranslate_limits(libre: Server) -> None:
    answers = [(429, {"error": "Slowdown: 2 per 1 minute"}), (500, {"error": "Cannot translate"})]
    libre.before = lambda body: answers.pop(0) if answers else None
    assert backend(libre).translate(["a"]) == ["A"]
    said = "Invalid request: request (9) exceeds text limit (5)"
    libre.before = lambda body: (400, {"error": said}) if sum(map(len, body["q"])) > 5 else None
    found = backend(libre).translate(["aaa", "bbb", "c" * 9])
    assert found[:2] == ["AAA", "BBB"]
    assert isinstance(found[2], Failure)
    assert found[2].content
    assert "exceeds text limit" in found[2].reason


def test_libretranslate_has_the_configured_limits(libre: Server) -> None:
    made = backend(libre, batch_texts=3, max_chars=100)
    assert (made.limits.batch_texts, made.limits.text_chars, made.limits.batch_chars) == (
        3,
        100,
        100,
    )
    assert "max_chars" not in canonical_json(made.settings)


@pytest.mark.parametrize("kind", ["azure", "libretranslate"])
def test_failures_of_content(kind: str) -> None:
    server = Server(kind)
    try:
        one: Any = [{"translations": [{"text": " "}]}]
        if kind == "libretranslate":
            one = {"translatedText": [" "]}
        server.before = lambda body: (200, one)
        assert backend(server).translate(["a"]) == [Failure("empty translation")]
        assert backend(server).translate(["a", "b"]) == [Failure("empty translation")] * 2
    finally:
        server.close()


def test_azures_key_goes_to_azure_alone() -> None:
    given: dict[str, Any] = {"version": 1, "dataset": "d", "lang": "de", "pivot": "en"}
    given |= {"shard": 0, "shards": 1, "translator_name": "mine"}
    given["translator"] = {"backend": "azure", "server_url": "https://example.org"}
    with pytest.raises(BabelmixError, match="AZURE_TRANSLATOR_KEY is the key of"):
        make_backend(TranslateSpec.model_validate(given))
