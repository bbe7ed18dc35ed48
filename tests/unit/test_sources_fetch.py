"""Fetching: local files, the web, the hub; digests, pins, and errors that can be mended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import errors
from pydantic import ValidationError
from tests.file_server import COMMIT, FileServer, Served
from tests.options import as_options

from babelmix.config.builtin import catalogue
from babelmix.errors import BabelmixError
from babelmix.io import digest, read_json
from babelmix.sources import web
from babelmix.sources.fetch import fetch, places
from babelmix.specs import FetchSpec

ROOT = Path(__file__).parents[2]
HUB = {"repo": "owner/set", "revision": COMMIT}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "WAIT_S", 0.01)


def spec(**source: Any) -> FetchSpec:
    given = {"adapter": "alpaca", "licence": "CC0"} | source
    return FetchSpec.model_validate({"version": 1, "name": "s", "source": given})


def test_local_file_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    record = fetch(spec(path=str(tmp_path / "a.json"), sha256={"a.json": digest("[]")}), tmp_path)
    assert record["files"] == {
        "*": [{"path": str(tmp_path / "a.json"), "sha256": digest("[]"), "bytes": 2}]
    }
    assert "licence" not in record  # another wording of it must fetch nothing again
    assert (record["pinned"], record["warnings"]) == ("digest", [])


def test_other_digest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(BabelmixError, match="is not the expected file"):
        fetch(spec(path=str(tmp_path / "a.json"), sha256={"a.json": "0" * 64}), tmp_path)
    # A digest that can fit nothing, or stands under a misspelt name, would be no check at all.
    with pytest.raises(ValidationError, match="should match pattern"):
        spec(path="a.json", sha256={"a.json": "00"})
    with pytest.raises(BabelmixError, match=f"b.json.* so nothing would check it.*{digest('[]')}"):
        fetch(spec(path=str(tmp_path / "a.json"), sha256={"b.json": "0" * 64}), tmp_path)


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
    with pytest.raises(BabelmixError, match=r"is a folder.*/\*\.jsonl"):
        fetch(spec(path=str(tmp_path)), tmp_path)


def test_only_the_star_has_a_meaning_in_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "my [new] data?"
    folder.mkdir()
    (folder / "part 1.json").write_text("[]")
    record = fetch(spec(path=str(folder / "part *.json")), tmp_path)
    assert [part["path"] for part in record["files"]["*"]] == [str(folder / "part 1.json")]


def test_one_place_a_language() -> None:
    source = spec(path="x/{lang}/{LANG}.json", languages=["en", "de"]).source
    assert places(source) == {"en": "x/en/EN.json", "de": "x/de/DE.json"}


def test_references_beside_the_questions(tmp_path: Path) -> None:
    (tmp_path / "reference_answer").mkdir()
    (tmp_path / "question.jsonl").write_text("{}")
    (tmp_path / "reference_answer" / "gpt-4.jsonl").write_text("{}")
    record = fetch(spec(adapter="mt_bench", path=str(tmp_path / "question.jsonl")), tmp_path)
    assert record["extra"]["references.*"]["path"].endswith("reference_answer/gpt-4.jsonl")


def test_several_parts_in_order_of_name(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "c.txt"):
        (tmp_path / name).write_text("{}")
    record = fetch(spec(path=str(tmp_path / "*.jsonl")), tmp_path)
    assert [Path(p["path"]).name for p in record["files"]["*"]] == ["a.jsonl", "b.jsonl"]
    with pytest.raises(BabelmixError, match="no file fits"):
        fetch(spec(path=str(tmp_path / "*.csv")), tmp_path)


def test_a_copy_of_a_builtins_bytes_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_text("[]")
    entry = catalogue()["dolly-alpagasus"]
    known = entry.model_copy(update={"source": entry.source | {"sha256": {"x": digest("[]")}}})
    monkeypatch.setitem(catalogue(), "dolly-alpagasus", known)
    given = spec(builtin="dolly-alpagasus", path=str(tmp_path / "a.json"))
    assert fetch(given, tmp_path)["pinned"] == "copy"
    (tmp_path / "a.json").write_text("[ ]")
    assert fetch(given, tmp_path)["pinned"] is None


def test_a_wrong_file_from_the_web_is_deleted(tmp_path: Path) -> None:
    with FileServer({"/x.json": Served(b"[]")}) as server:
        given = spec(url=f"{server.url}/x.json", sha256={"x.json": "0" * 64})
        with pytest.raises(BabelmixError, match="It was deleted"):
            fetch(given, tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_right_file_is_not_fetched_again(tmp_path: Path) -> None:
    with FileServer({"/x.json": Served(b"[]")}) as server:
        given = spec(url=f"{server.url}/x.json", sha256={"x.json": digest("[]")})
        assert fetch(given, tmp_path) == fetch(given, tmp_path)
        assert len(server.requests) == 1


def test_addresses_with_a_query_or_spaces(tmp_path: Path) -> None:
    """One path that gives several files is as many files here; digests go by the plain name."""
    with FileServer({"/my%20rows.csv": Served(b"a,b\n")}) as server:
        place = server.url + "/my%20rows.csv?lang={lang}&download=1"
        given = spec(url=place, languages=["de", "en"], sha256={"my rows.csv": digest("a,b\n")})
        files = fetch(given, tmp_path)["files"]
    paths = [Path(files[lang][0]["path"]) for lang in ("de", "en")]
    assert [p.name for p in paths] == ["my rows.csv"] * 2
    assert paths[0] != paths[1]


def test_web_addresses_and_what_stands_beside(tmp_path: Path) -> None:
    files = {
        "/DE/question.jsonl": Served(b"{}", None, [503]),
        "/DE/reference_answer/gpt-4.jsonl": Served(b"{ }"),
        "/DE/corrections.jsonl": Served(b""),
        "/EN/question.jsonl": Served(b"{   }"),
    }
    with FileServer(files) as server:
        place = server.url + "/{LANG}/question.jsonl"
        given = spec(adapter="mt_bench_x", url=place, languages=["de", "en"])
        record = fetch(given, tmp_path / "raw")
    assert {lang: f[0]["bytes"] for lang, f in record["files"].items()} == {"de": 2, "en": 5}
    assert record["files"]["de"][0]["path"] == str(tmp_path / "raw" / "DE" / "question.jsonl")
    assert {name: f["bytes"] for name, f in record["extra"].items()} == {
        "references.de": 3,
        "corrections.de": 0,
    }
    assert record["pinned"] is None
    assert "no `sha256` pins" in record["warnings"][0]


def test_web_errors_can_be_mended(tmp_path: Path) -> None:
    said = r"nothing\.json could not be fetched: HTTP 404"
    with FileServer({}) as server, pytest.raises(BabelmixError, match=said):
        fetch(spec(url=f"{server.url}/nothing.json"), tmp_path)
    with pytest.raises(BabelmixError, match=r"could not be fetched: .*give it as `path`"):
        fetch(spec(url="http://127.0.0.1:9/x.json"), tmp_path)
    with pytest.raises(BabelmixError, match="is not an https address"):
        fetch(spec(url="http://example.org/x.json"), tmp_path)


# --- the hub: its real library against a loopback hub, in a process of its own -----------------


def hub_files(**files: bytes) -> dict[str, Served]:
    """``a__json`` is the file ``a.json`` of the repository."""
    names = {name.replace("__", ".").replace("_of_", "/"): body for name, body in files.items()}
    return {f"/datasets/owner/set/resolve/{COMMIT}/{n}": Served(b) for n, b in names.items()}


def command(given: FetchSpec, folder: Path) -> list[str]:
    options = [*as_options(given.model_dump_json()), "--folder", str(folder / "raw")]
    return [sys.executable, "-m", "babelmix", "fetch", *options, "--output", str(folder / "o.json")]


def environment(server: FileServer | None, **more: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("HF_TOKEN", "HF_HUB_OFFLINE")}
    clean |= {"PYTHONPATH": str(ROOT / "workflow")} | more
    return clean | ({"HF_ENDPOINT": server.url} if server else {"HF_HUB_OFFLINE": "1"})


def run(
    given: FetchSpec, folder: Path, server: FileServer | None, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(given, folder), env=environment(server, **more), capture_output=True, text=True
    )


def test_a_branch_is_fetched_at_one_commit_and_warned_of(tmp_path: Path) -> None:
    with FileServer(hub_files(data_of_en__json=b"[]", data_of_de__json=b"[ ]")) as server:
        hub = HUB | {"revision": "main"}
        given = spec(hub=hub, file="data/{lang}.json", languages=["en", "de"])
        done = run(given, tmp_path, server)
        assert done.returncode == 0, done.stderr
        assert all("/resolve/main/" not in path for path, _ in server.requests)
    record = read_json(tmp_path / "o.json")
    assert (record["commit"], record["pinned"]) == (COMMIT, None)
    assert f"Fetched was commit {COMMIT}" in done.stderr
    assert (tmp_path / "raw" / "data" / "de.json").read_bytes() == b"[ ]"


def test_a_commit_is_pinned_and_parts_are_found(tmp_path: Path) -> None:
    files = hub_files(**{"x_of_b__parquet": b"b", "x_of_a__parquet": b"a", "README__md": b"r"})
    with FileServer(files) as server:
        done = run(spec(hub=HUB, file="x/*.parquet"), tmp_path, server)
        assert done.returncode == 0, done.stderr
        again = run(spec(hub=HUB, file="y/*.parquet"), tmp_path / "y", server)
    record = read_json(tmp_path / "o.json")
    assert [Path(p["path"]).name for p in record["files"]["*"]] == ["a.parquet", "b.parquet"]
    assert (record["pinned"], record["warnings"], done.stderr) == ("commit", [], "")
    assert again.returncode == 2
    assert "owner/set has no file that fits 'y/*.parquet'" in again.stderr


def test_a_killed_download_goes_on(tmp_path: Path) -> None:
    """kill -9 in the middle: the next run asks for the rest only."""
    body = os.urandom(400_000)
    files = hub_files(big__jsonl=body)
    served = next(iter(files.values()))
    served.stall_after = 150_000
    given = spec(hub=HUB, file="big.jsonl")
    with FileServer(files) as server:
        process = subprocess.Popen(command(given, tmp_path), env=environment(server))
        try:
            assert server.stalled.wait(60)
            part = tmp_path / "raw" / ".big.jsonl.part"
            for _ in range(500):
                if part.is_file() and part.stat().st_size >= 100_000:
                    break
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        have = part.stat().st_size
        assert 100_000 <= have <= 150_000
        assert not (tmp_path / "o.json").exists()
        assert not (tmp_path / "raw" / "big.jsonl").exists()
        served.stall_after = None
        done = run(given, tmp_path, server)
        assert done.returncode == 0, done.stderr
        assert server.ranges("big.jsonl") == [None, f"bytes={have}-"]
    assert (tmp_path / "raw" / "big.jsonl").read_bytes() == body


def test_gated_data(tmp_path: Path) -> None:
    """Without a token nothing is asked; with one that is not granted, the page is named."""
    given = spec(hub=HUB | {"gated": True, "token_env": "MY_TOKEN"}, file="a.json")
    with FileServer(hub_files(a__json=b"[]"), gated=True) as server:
        done = run(given, tmp_path, server)
        assert done.returncode == 2
        assert "Accept its terms on https://huggingface.co/datasets/owner/set" in done.stderr
        assert "MY_TOKEN" in done.stderr
        assert server.requests == []
        done = run(given, tmp_path, server, MY_TOKEN="hf_secret\n")
        assert done.returncode == 0, done.stderr
        assert server.requests[-1][1]["authorization"] == "Bearer hf_secret"
        done = run(given, tmp_path, server, MY_TOKEN="hf_\nsecret")
        assert (done.returncode, "holds signs that no token has" in done.stderr) == (2, True)
        assert "secret" not in done.stdout + done.stderr
        ungated = spec(hub=HUB, file="a.json")
        done = run(ungated, tmp_path, server)
        assert done.returncode == 2
        assert "is gated, and HF_TOKEN holds no token" in done.stderr
    assert "hf_secret" not in (tmp_path / "o.json").read_text()


def test_damage_on_the_way_is_seen(tmp_path: Path) -> None:
    """The hub knows large files by their SHA-256."""
    files = hub_files(a__json=b"[]")
    next(iter(files.values())).etag = f'"{digest("[1]")}"'
    with FileServer(files) as server:
        done = run(spec(hub=HUB, file="a.json"), tmp_path, server)
    assert done.returncode == 2
    assert "came damaged" in done.stderr
    assert not (tmp_path / "raw" / "a.json").exists()


def test_missing_references_on_the_hub_are_no_error(tmp_path: Path) -> None:
    with FileServer(hub_files(d_of_question__jsonl=b"{}")) as server:
        done = run(spec(adapter="mt_bench", hub=HUB, file="d/question.jsonl"), tmp_path, server)
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "o.json")["extra"] == {}


def test_the_real_library_offline(tmp_path: Path) -> None:
    done = run(spec(hub=HUB, file="en.json"), tmp_path, None)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "owner/set/en.json could not be fetched" in done.stderr
    assert not (tmp_path / "o.json").exists()


RESPONSE = httpx2.Response(403, request=httpx2.Request("GET", "https://huggingface.co"))


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (errors.GatedRepoError("no", response=RESPONSE), "is not granted to the token in HF_TOKEN"),
        (errors.RepositoryNotFoundError("no", response=RESPONSE), "no dataset owner/set"),
        (errors.RevisionNotFoundError("no", response=RESPONSE), "has no revision 'v1'"),
        (errors.RemoteEntryNotFoundError("no", response=RESPONSE), "has no file 'f' at 'v1'"),
        (httpx2.ConnectError("cannot connect"), "could not be fetched: cannot connect"),
        (errors.OfflineModeIsEnabled("offline mode"), "give it as `path`"),
        (OSError("disk full"), "disk full"),
    ],
)
def test_hub_errors_can_be_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, said: str
) -> None:
    def metadata(*_: Any, **__: Any) -> Any:
        raise raised

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", metadata)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(BabelmixError) as error:
        fetch(spec(hub=HUB | {"revision": "v1"}, file="f"), tmp_path)
    assert said in str(error.value)
    assert "sources.s" in str(error.value)
