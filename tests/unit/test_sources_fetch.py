"""Fetching: local files, digests, and the hub's errors said so that they can be mended."""

import functools
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import errors

from babelmix.errors import BabelmixError
from babelmix.io import digest
from babelmix.sources.fetch import fetch, places
from babelmix.specs import FetchSpec


def spec(**source: Any) -> FetchSpec:
    given = {"adapter": "alpaca", "licence": "CC0"} | source
    return FetchSpec.model_validate({"version": 1, "name": "s", "source": given})


HUB = {"repo": "owner/set", "revision": "abc"}


def test_local_file_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    record = fetch(spec(path=str(tmp_path / "a.json"), sha256={"a.json": digest("[]")}), tmp_path)
    assert record["files"] == {
        "*": {"path": str(tmp_path / "a.json"), "sha256": digest("[]"), "bytes": 2}
    }
    assert record["licence"] == "CC0"


def test_other_digest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(BabelmixError, match="is not the expected file"):
        fetch(spec(path=str(tmp_path / "a.json"), sha256={"a.json": "00"}), tmp_path)


def test_digest_of_the_longest_fitting_name_counts(tmp_path: Path) -> None:
    for lang in ("DE", "EN"):
        (tmp_path / lang).mkdir()
        (tmp_path / lang / "q.jsonl").write_text(lang)
    given = {"DE/q.jsonl": digest("DE"), "q.jsonl": digest("EN")}
    path = str(tmp_path / "{LANG}" / "q.jsonl")
    record = fetch(spec(path=path, languages=["de", "en"], sha256=given), tmp_path)
    assert list(record["files"]) == ["de", "en"]


def test_missing_path_says_how_to_mend(tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match=r"sources\.s\.path: .*does not exist.*data_root"):
        fetch(spec(path=str(tmp_path / "a.json")), tmp_path)
    with pytest.raises(BabelmixError, match="is a folder"):
        fetch(spec(path=str(tmp_path)), tmp_path)


def test_one_place_a_language() -> None:
    source = spec(path="x/{lang}/{LANG}.json", languages=["en", "de"]).source
    assert places(source) == {"en": "x/en/EN.json", "de": "x/de/DE.json"}


def test_references_beside_the_questions(tmp_path: Path) -> None:
    (tmp_path / "reference_answer").mkdir()
    (tmp_path / "question.jsonl").write_text("{}")
    (tmp_path / "reference_answer" / "gpt-4.jsonl").write_text("{}")
    record = fetch(spec(adapter="mt_bench", path=str(tmp_path / "question.jsonl")), tmp_path)
    assert record["extra"]["references.*"]["path"].endswith("reference_answer/gpt-4.jsonl")


def test_hub_file_is_downloaded_at_the_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def download(repo: str, file: str, **options: Any) -> str:
        asked.update(options, repo=repo, file=file)
        (tmp_path / file).write_text("[]")
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setenv("MY_TOKEN", "secret-token")
    hub = HUB | {"token_env": "MY_TOKEN"}
    record = fetch(spec(hub=hub, file="en.json", languages=["en"]), tmp_path)
    assert asked == {
        "repo": "owner/set",
        "file": "en.json",
        "repo_type": "dataset",
        "revision": "abc",
        "local_dir": tmp_path,
        "token": "secret-token",
    }
    assert record["hub"] == HUB
    assert "secret-token" not in json.dumps(record)


def test_gated_without_token_does_not_connect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *a, **k: pytest.fail("asked"))
    with pytest.raises(BabelmixError) as error:
        fetch(spec(hub=HUB | {"gated": True}, file="f"), tmp_path)
    assert "https://huggingface.co/datasets/owner/set" in str(error.value)
    assert "HF_TOKEN" in str(error.value)


RESPONSE = httpx2.Response(403, request=httpx2.Request("GET", "https://huggingface.co"))


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (errors.GatedRepoError("no", response=RESPONSE), "is not granted to the token in HF_TOKEN"),
        (errors.RepositoryNotFoundError("no", response=RESPONSE), "no dataset owner/set"),
        (errors.RevisionNotFoundError("no", response=RESPONSE), "has no revision 'abc'"),
        (errors.RemoteEntryNotFoundError("no", response=RESPONSE), "has no file 'f' at 'abc'"),
        (errors.LocalEntryNotFoundError("cannot connect"), "could not be fetched: cannot connect"),
        (errors.OfflineModeIsEnabled("offline mode"), "give it as `path`"),
        (OSError("disk full"), "disk full"),
    ],
)
def test_hub_errors_can_be_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, said: str
) -> None:
    def download(*_: Any, **__: Any) -> str:
        raise raised

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(BabelmixError) as error:
        fetch(spec(hub=HUB, file="f"), tmp_path)
    assert said in str(error.value)
    assert "sources.s" in str(error.value)


def test_missing_references_on_the_hub_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(repo: str, file: str, **_: Any) -> str:
        if file.endswith("gpt-4.jsonl"):
            raise errors.RemoteEntryNotFoundError("no", response=RESPONSE)
        (tmp_path / "question.jsonl").write_text("{}")
        return str(tmp_path / "question.jsonl")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    record = fetch(spec(adapter="mt_bench", hub=HUB, file="d/question.jsonl"), tmp_path)
    assert record["extra"] == {}


def test_the_real_library_offline(tmp_path: Path) -> None:
    """In a process of its own: the library reads HF_HUB_OFFLINE when it is imported."""
    command = [sys.executable, "-m", "babelmix", "fetch"]
    given = spec(hub=HUB, file="en.json").model_dump_json()
    options = ["--spec", given, "--folder", str(tmp_path / "f"), "--output", str(tmp_path / "o")]
    root = Path(__file__).parents[2] / "workflow"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(root)}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "owner/set/en.json could not be fetched" in done.stderr
    assert not (tmp_path / "o").exists()


class Files(http.server.SimpleHTTPRequestHandler):
    """Files of a folder; the first answer to each path is a server error."""

    seen: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        if self.path not in self.seen:
            self.seen.add(self.path)
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "web" / "DE" / "reference_answer").mkdir(parents=True)
    (tmp_path / "web" / "DE" / "question.jsonl").write_text("{}")
    (tmp_path / "web" / "DE" / "reference_answer" / "gpt-4.jsonl").write_text("{ }")
    (tmp_path / "web" / "EN").mkdir()
    (tmp_path / "web" / "EN" / "question.jsonl").write_text("{   }")
    monkeypatch.setattr("babelmix.sources.fetch.URL_WAIT_S", 0.01)
    monkeypatch.setattr(Files, "seen", set())
    handler = functools.partial(Files, directory=str(tmp_path / "web"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_web_addresses(tmp_path: Path, web: str) -> None:
    given = spec(adapter="mt_bench_x", url=web + "/{LANG}/question.jsonl", languages=["de", "en"])
    record = fetch(given, tmp_path / "raw")
    assert {lang: f["bytes"] for lang, f in record["files"].items()} == {"de": 2, "en": 5}
    assert record["files"]["de"]["path"] == str(tmp_path / "raw" / "DE" / "question.jsonl")
    assert {name: f["bytes"] for name, f in record["extra"].items()} == {"references.de": 3}


def test_web_errors_can_be_mended(tmp_path: Path, web: str) -> None:
    with pytest.raises(BabelmixError, match=r"nothing\.json could not be fetched: HTTP 404"):
        fetch(spec(url=f"{web}/nothing.json"), tmp_path)
    with pytest.raises(BabelmixError, match=r"could not be fetched: .*give it as `path`"):
        fetch(spec(url="http://127.0.0.1:9/x.json"), tmp_path)
    with pytest.raises(BabelmixError, match="is not an https address"):
        fetch(spec(url="http://example.org/x.json"), tmp_path)
