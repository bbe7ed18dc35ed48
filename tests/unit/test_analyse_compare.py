"""The terminal comparison of two runs."""

from pathlib import Path

import pytest
from built_study import built

from babelmix.analyse.compare import compare, find_side
from babelmix.analyse.statistics import Bootstrap
from babelmix.analyse.study import load_study
from babelmix.analyse.table import read_tables
from babelmix.cli import main
from babelmix.errors import BabelmixError


def test_it_prints_a_paired_difference(capsys: pytest.CaptureFixture[str]) -> None:
    results = str(built().root)
    assert main(["compare", "all-ENDEFR", "mono-EN", "--results", results]) == 0
    text = capsys.readouterr().out
    assert "A = tiny.all-ENDEFR.short" in text
    assert "beats" in text or "No difference can be shown" in text
    assert "bench.judge.single" in text
    assert " de " not in text
    assert main(["compare", "all-ENDEFR", "mono-EN", "--results", results, "--languages"]) == 0
    assert "  de  " in capsys.readouterr().out


def test_it_gives_the_number_of_the_table() -> None:
    study = load_study(built().study)
    sides = find_side(study, "all-ENDEFR"), find_side(study, "mono-EN")
    found = compare(study, built().root, *sides, Bootstrap(study.confidence, study.samples))
    one = next(f for f in found if f.measure.endswith("single") and f.language == "all")
    rows = read_tables(built().root / "tables/index.json")["gains"].rows
    row = next(
        r
        for r in rows
        if r["variant"] == sides[0].name
        and r["against"] == sides[1].name
        and r["language"] == "all"
    )
    assert one.difference.value == pytest.approx(row["difference"], abs=1e-4)
    assert one.difference.low == pytest.approx(row["difference_low"], abs=1e-4)


def test_two_seeds_can_be_compared(capsys: pytest.CaptureFixture[str]) -> None:
    runs = ["tiny.mono-EN.short.s0", "tiny.mono-EN.short.s1"]
    assert main(["compare", *runs, "--results", str(built().root)]) == 0
    assert "A = tiny.mono-EN.short.s0" in capsys.readouterr().out


def test_mistakes_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = str(built().root)
    assert main(["compare", "all-ENDEF", "mono-EN", "--results", results]) == 2
    assert "Did you mean 'all-ENDEFR'?" in capsys.readouterr().err
    assert main(["compare", "mono-EN", "mono-EN", "--results", results]) == 2
    assert "on both sides" in capsys.readouterr().err
    assert main(["compare", "a", "b", "--results", str(tmp_path)]) == 2
    assert "--results DIR" in capsys.readouterr().err


def test_a_name_of_several_variants_is_refused() -> None:
    study = load_study(built().study)
    twin = study.variants["tiny.mono-EN.short"]
    study.variants["other.mono-EN.short"] = twin.__class__(
        **{
            **{f: getattr(twin, f) for f in twin.__dataclass_fields__},
            "name": "other.mono-EN.short",
        }
    )
    with pytest.raises(BabelmixError, match=r"Say which: .*other.mono-EN"):
        find_side(study, "mono-EN")
