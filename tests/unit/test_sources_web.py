"""Downloads that are cut off go on where they stopped; a file is there whole or not at all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.file_server import FileServer, Served

from babelmix.errors import BabelmixError
from babelmix.sources import web

BODY = random.Random(0).randbytes(300_000)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "WAIT_S", 0.01)


def left_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_cut_download_goes_on_by_range(tmp_path: Path) -> None:
    served = Served(BODY, '"v1"', [503, ("cut", 100_000), 429, ("cut", 50_000)])
    with FileServer({"/x.bin": served}) as server:
        assert web.download(f"{server.url}/x.bin", tmp_path / "x.bin", "w")
        assert server.ranges("x.bin") == [
            None,
            None,
            "bytes=100000-",
            "bytes=100000-",
            "bytes=150000-",
        ]
        assert server.requests[-1][1]["if-range"] == '"v1"'
    assert (tmp_path / "x.bin").read_bytes() == BODY
    assert left_in(tmp_path) == ["x.bin"]


def test_the_next_run_goes_on_too(tmp_path: Path) -> None:
    served = Served(BODY, '"v1"', [("cut", 1000)] * web.TRIES)
    with FileServer({"/x.bin": served}) as server:
        with pytest.raises(BabelmixError, match="what came is kept"):
            web.download(f"{server.url}/x.bin", tmp_path / "x.bin", "w")
        assert left_in(tmp_path) == [".x.bin.part", ".x.bin.part.version"]
        assert web.download(f"{server.url}/x.bin", tmp_path / "x.bin", "w")
        assert server.ranges("x.bin")[-1] == "bytes=5000-"
    assert (tmp_path / "x.bin").read_bytes() == BODY


def test_another_version_starts_anew(tmp_path: Path) -> None:
    served = Served(b"old" * 1000, '"v1"', [("cut", 10)] * web.TRIES)
    with FileServer({"/x.bin": served}) as server:
        with pytest.raises(BabelmixError):
            web.download(f"{server.url}/x.bin", tmp_path / "x.bin", "w")
        served.body, served.etag = BODY, '"v2"'
        assert web.download(f"{server.url}/x.bin", tmp_path / "x.bin", "w")
    assert (tmp_path / "x.bin").read_bytes() == BODY


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_without_a_strong_etag_nothing_is_joined(tmp_path: Path, etag: str | None) -> None:
    served = Served(BODY, etag, [("cut", 1000)])
    with FileServer({"/x.bin": served}) as server:
        assert web.download(f"{server.url}/x.bin", tmp_path / "x.bin", "w")
        assert server.ranges("x.bin") == [None, None]
    assert (tmp_path / "x.bin").read_bytes() == BODY


def test_a_version_of_ones_own_needs_no_etag(tmp_path: Path) -> None:
    served = Served(BODY, None, [("cut", 1000)])
    with FileServer({"/x.bin": served}) as server:
        address, target = f"{server.url}/x.bin", tmp_path / "x.bin"
        assert web.download(address, target, "w", version="abc")
        assert server.ranges("x.bin") == [None, "bytes=1000-"]
        assert target.read_bytes() == BODY
        served.faults = [("cut", 1000)] * web.TRIES
        with pytest.raises(BabelmixError):
            web.download(address, tmp_path / "y.bin", "w", version="abc")
        web.download(address, tmp_path / "y.bin", "w", version="def")
        assert server.ranges("x.bin")[-1] is None
    assert (tmp_path / "y.bin").read_bytes() == BODY


def test_a_part_that_is_too_long_is_dropped(tmp_path: Path) -> None:
    (tmp_path / ".x.bin.part").write_bytes(BODY + b"more")
    (tmp_path / ".x.bin.part.version").write_text("abc")
    with FileServer({"/x.bin": Served(BODY)}) as server:
        assert web.download(f"{server.url}/x.bin", tmp_path / "x.bin", "w", version="abc")
    assert (tmp_path / "x.bin").read_bytes() == BODY


def test_what_is_not_there(tmp_path: Path) -> None:
    with FileServer({"/x.bin": Served(BODY, None, [403])}) as server:
        assert not web.download(f"{server.url}/nothing", tmp_path / "n", "w")
        with pytest.raises(BabelmixError, match=r"w: .*HTTP 403.*give it as `path`"):
            web.download(f"{server.url}/x.bin", tmp_path / "x.bin", "w")
    assert left_in(tmp_path) == []


def test_a_token_is_not_taken_to_another_host(tmp_path: Path) -> None:
    with FileServer({"/y.bin": Served(BODY)}) as other:
        files = {"/x.bin": Served(b"", elsewhere=f"{other.url}/y.bin")}
        with FileServer(files) as server:
            secret = {"authorization": "Bearer hf_secret"}
            assert web.download(f"{server.url}/x.bin", tmp_path / "x", "w", headers=secret)
            assert server.requests[0][1]["authorization"] == "Bearer hf_secret"
        assert "hf_secret" not in str(other.requests)
    assert (tmp_path / "x").read_bytes() == BODY


def test_an_old_copy_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"old")
    with FileServer({"/x.bin": Served(BODY, '"v"', [("cut", 10)] * web.TRIES)}) as server:
        with pytest.raises(BabelmixError):
            web.download(f"{server.url}/x.bin", tmp_path / "x.bin", "w")
        assert (tmp_path / "x.bin").read_bytes() == b"old"
