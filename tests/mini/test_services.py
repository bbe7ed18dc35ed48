"""Translation services over HTTP, through YAML and Snakemake: a pool is translated, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.study import Study, mini_config
from tests.translation_server import Server

from babelmix.io import read_json, read_records
from babelmix.records import Conversation

pytestmark = [pytest.mark.mini]

POOL = "results/mini/conversations/demo.de.parquet"


@pytest.mark.parametrize("kind", ["libretranslate", "azure", "google"])
def test_a_pool_is_translated_and_paid_once(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LIBRETRANSLATE_API_KEY", "AZURE_TRANSLATOR_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "not-a-key")
    server = Server(kind)
    try:
        config = mini_config()
        service = {"backend": kind, "server_url": server.url, "price_per_million_chars": 20.0}
        config["translators"] = {"service": service}
        config["datasets"]["demo"] |= {"translator": "service", "shards": 2}
        study = Study(tmp_path / "study", config)
        done = study.run(POOL)
        assert done.returncode == 0, done.stdout[-4000:]
        rows = read_records(study.folder / POOL, Conversation)
        english = study.results / "normalised" / "demo.en.parquet"
        source = {row.id: row for row in read_records(english, Conversation)}
        assert len(rows) == 24
        assert {row.translator for row in rows} == {"service"}
        for row in rows:
            asked = source[row.id].messages[0].content
            assert row.messages[0].content.casefold() == asked.casefold()
        shards = study.results / "translations" / "demo.de"
        spent = [read_json(shards / f"{n}.json")["spent"] for n in (0, 1)]
        assert min(spent) > 0
        requests = len(server.requests)
        # The server's address, the price and the speed are no part of what was made.
        service |= {"server_url": "http://127.0.0.1:9", "price_per_million_chars": 25.0}
        service |= {"requests_per_minute": 100}
        assert study.planned(POOL) == {}
        assert len(server.requests) == requests
    finally:
        server.close()
