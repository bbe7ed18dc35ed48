"""The catalogue of built-in sources, and what `builtin:` makes of a configuration."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from babelmix.cli import main
from babelmix.config.builtin import catalogue, fill_sources, is_commit, pinned_by
from babelmix.config.document import schema_text
from babelmix.errors import BabelmixError
from babelmix.resources import language_catalogue


def fill(given: Any, languages: tuple[str, ...] = ("en", "de")) -> Any:
    return fill_sources({"s": given}, languages, "config")["s"]


@pytest.mark.parametrize("name", list(catalogue()))
def test_every_entry_is_a_whole_source(name: str) -> None:
    source = catalogue()[name].as_source()
    assert source.path is None
    assert source.licence
    assert source.citation
    # One of three: a whole commit, a digest of every file, or openly neither.
    if source.hub is not None:
        assert is_commit(source.hub.revision) or source.hub.revision in (
            "main",
            "refs/convert/parquet",
        )
        assert pinned_by(source) == ("commit" if is_commit(source.hub.revision) else None)
    else:
        assert pinned_by(source) == "digest"
        assert re.search(r"/[0-9a-f]{10,40}/", source.url or "")
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in source.sha256.values())


def test_non_commercial_licences_are_marked() -> None:
    for name, entry in catalogue().items():
        source = entry.as_source()
        assert source.non_commercial == ("NC" in source.licence), name


def test_bactrian_names_its_52_languages() -> None:
    languages = catalogue()["bactrian-x"].as_source().languages
    assert len(set(languages)) == 52
    assert {"en", "de", "fr", "it", "es", "sw", "zh"} <= set(languages)


def test_languages_are_those_of_the_study_set() -> None:
    assert fill({"builtin": "bactrian-x"})["languages"] == ["en", "de"]
    given = fill({"builtin": "bactrian-x", "languages": ["fr"]})
    assert given["languages"] == ["fr"]
    assert fill({"builtin": "lima"})["languages"] == ["en"]
    with pytest.raises(BabelmixError, match=r"sources\.s: 'oasst1-fr-top1' holds fr; none of them"):
        fill({"builtin": "oasst1-fr-top1"})


def test_a_path_replaces_the_place_and_its_digests() -> None:
    source = fill({"builtin": "mt-bench-x", "path": "{LANG}/question.jsonl"})
    assert source["path"] == "{LANG}/question.jsonl"
    assert not {"url", "hub", "file", "sha256"} & set(source)
    assert source["licence"] == "Apache-2.0"
    assert source["citation"].startswith("Weber et al. 2024")
    assert fill({"builtin": "lima"})["hub"]["gated"] is True


def test_a_changed_rule_gives_up_the_expected_count() -> None:
    assert fill({"builtin": "oasst1"})["expected_rows"] == 3640
    assert fill({"builtin": "oasst1", "path": "x"})["expected_rows"] == 3640
    assert "expected_rows" not in fill({"builtin": "oasst1", "threads": "best_path"})
    assert (
        fill({"builtin": "oasst1", "threads": "all_paths", "expected_rows": 9})["expected_rows"]
        == 9
    )


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(BabelmixError, match=r"sources\.s\.builtin: .*Did you mean 'bactrian-x'"):
        fill({"builtin": "bactrianx"})


def test_what_is_no_builtin_stays_as_it_is() -> None:
    assert fill({"adapter": "lima"}) == {"adapter": "lima"}
    assert fill("lima") == "lima"
    assert fill_sources(None, [], "config") is None


def test_the_schema_lets_a_builtin_stand_alone() -> None:
    source = json.loads(schema_text())["$defs"]["Source"]
    assert source["anyOf"] == [{"required": ["builtin"]}, {"required": ["adapter", "licence"]}]
    assert "required" not in source


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sources"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(catalogue()) + 3
    lima = next(line for line in lines if line.startswith("lima "))
    assert re.split(r"  +", lima) == [
        "lima", "1,030", "en", "3.0 MB", "yes", "commit", "CC BY-NC-SA (non-commercial)"
    ]  # fmt: skip
    assert main(["sources", "bactrian-x"]) == 0
    assert "pinned by  nothing" in capsys.readouterr().out
    assert main(["sources", "lima"]) == 0
    assert "put a token into HF_TOKEN" in capsys.readouterr().out
    assert main(["sources", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(catalogue())
    assert main(["sources", "limaa"]) == 2
    assert "Did you mean 'lima'" in capsys.readouterr().err


def test_languages_that_the_catalogue_of_languages_lacks_are_few() -> None:
    """A language that it lacks can still be defined in a configuration."""
    held = set(catalogue()["bactrian-x"].as_source().languages)
    assert len(held & set(language_catalogue())) >= 20
