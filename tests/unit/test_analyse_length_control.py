"""AlpacaEval 2's rates: weighted, and at equal length, against its own package.

The expected figures were made once by the package itself (alpaca_eval 0.6.6,
``metrics.get_length_controlled_winrate``, scikit-learn 1.5.2) on the data drawn below.
"""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelmix.analyse import length_control
from babelmix.analyse.length_control import FULL, MINIMAL, GamedBaselines, length_controlled
from babelmix.analyse.table import read_tables
from babelmix.cli import main
from babelmix.errors import BabelmixError

Row = dict[str, float]


def drawn(n: int, seed: int) -> list[Row]:
    """Made-up annotations: harder instructions and longer answers are preferred."""
    r = random.Random(seed)
    rows = []
    for i in range(n):
        hard, base = r.gauss(0, 1), int(400 + 300 * r.random())
        mine = max(1, int(base * (0.6 + 1.2 * r.random())))
        z = -0.4 + 0.8 * hard + 0.9 * math.tanh((mine - base) / 250) + r.gauss(0, 1.5)
        p = 1 / (1 + math.exp(-z))
        rows.append({"index": i, "hard": hard, "base": base, "mine": mine, "p": p})
    return rows


def gamed_file(rows: list[Row], seed: int, path: Path) -> Path:
    """A file with the columns of ``df_gamed.csv``."""
    r = random.Random(seed)
    lines = ["model,index,preference,std_delta_len,instruction_difficulty,not_gamed_baseline"]
    for name, factor in (("verbose", 1.5), ("concise", 0.6)):
        for row in rows:
            d = (1 - factor) * (1 + 0.2 * r.gauss(0, 1))
            z = -1.4 * math.tanh(d) + 0.2 * r.gauss(0, 1)
            p = 1 / (1 + math.exp(-z))
            lines.append(f"{name},{row['index']},{p!r},{d!r},{row['hard']!r},False")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("n", "seed", "full", "full_se", "minimal"),
    [
        (805, 1, 42.94074, 0.379791, 43.536447),
        (60, 2, 42.480762, 1.696174, 41.824196),
        (805, 3, 42.571958, 0.339759, 43.284324),
    ],
)
def test_the_rate_is_that_of_the_package(
    n: int, seed: int, full: float, full_se: float, minimal: float, tmp_path: Path
) -> None:
    rows = drawn(n, seed)
    gamed = length_control.read_gamed(gamed_file(rows, seed + 10, tmp_path / "df_gamed.csv"))
    p = [row["p"] for row in rows]
    longer = [row["base"] - row["mine"] for row in rows]
    at = [int(row["index"]) for row in rows]
    found = length_controlled(p, longer, at, gamed)
    assert found.by_name == FULL
    assert found.rate == pytest.approx(full, abs=0.01)
    assert found.se == pytest.approx(full_se, abs=0.01)
    plain = length_controlled(p, longer)
    assert plain.by_name == MINIMAL
    # The first set differs by 0.012; the folds, which differ between versions, may be why.
    assert plain.rate == pytest.approx(minimal, abs=0.02)


def test_longer_answers_lose_what_their_length_won() -> None:
    rows = drawn(400, 4)
    p = np.array([row["p"] for row in rows])
    longer = np.array([row["base"] - row["mine"] for row in rows])
    found = length_controlled(p, longer)
    assert found.rate is not None
    assert found.rate < 100 * p.mean()
    swapped = length_controlled(1 - p, -longer)
    assert swapped.rate == pytest.approx(100 - found.rate, abs=0.05)


def test_what_cannot_be_fitted_has_no_rate() -> None:
    assert length_controlled([0.5] * 4, [1, 2, 3, 4]).note == "no value: fewer than 5 preferences"
    alike = length_controlled([0.1, 0.9, 0.5, 0.4, 0.6], [7] * 5)
    assert (alike.rate, alike.note) == (None, "no value: all lengths differ by the same")
    missing = [0.1, float("nan"), 0.9, 0.5, 0.4, 0.6]
    assert length_controlled(missing, [1, 2, 3, 4, 5, 6]).rate is not None


def test_other_instructions_have_no_difficulty(tmp_path: Path) -> None:
    with pytest.raises(BabelmixError, match=r"2 instructions \(index 7"):
        length_controlled([0.5] * 6, range(6), [0, 1, 1, 0, 7, 8], GamedBaselines({0: 0.1, 1: 1.0}))
    wrong = tmp_path / "x.csv"
    wrong.write_text("index,preference\n1,2\n", encoding="utf-8")
    with pytest.raises(BabelmixError, match="missing columns: instruction_difficulty"):
        length_control.read_gamed(wrong)


def imported(tmp_path: Path, rows: list[Row]) -> tuple[Path, Path]:
    """Folder of judgements imported from annotations as AlpacaEval writes them; the prompts."""
    annotations = [
        {
            "instruction": f"Do the task of number {row['index']}.",
            "output_1": "x" * int(row["base"]),
            "output_2": "y" * int(row["mine"]),
            "generator_1": "gpt4_1106_preview",
            "generator_2": "mine",
            "annotator": "weighted_alpaca_eval_gpt4_turbo",
            "preference": 1 + row["p"],
        }
        for row in rows
    ]
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps(annotations), encoding="utf-8")
    prompts = tmp_path / "alpaca_eval.json"
    text = json.dumps([{"instruction": row["instruction"]} for row in annotations])
    prompts.write_text(text, encoding="utf-8")
    folder = tmp_path / "judgements"
    form = ["--format", "alpaca-eval", "--benchmark", "ae", "--lang", "en"]
    assert main(["import-judgements", str(file), *form, "--output", str(folder)]) == 0
    return folder, prompts


def rates(folder: Path, into: Path, *options: str) -> dict[str, Any]:
    """The row of all languages of ``weighted_preferences``."""
    assert main(["judgement-tables", str(folder), "--folder", str(into), *options]) == 0
    table = read_tables(into / "tables.json")["weighted_preferences"]
    (row,) = [row for row in table.rows if row["language"] == "all"]
    return row


def test_published_annotations_give_the_published_rates(tmp_path: Path) -> None:
    """From the file to the table, as the package says it of the same file."""
    rows = drawn(805, 1)
    folder, prompts = imported(tmp_path, rows)
    gamed = gamed_file(rows, 11, tmp_path / "df_gamed.csv")
    both = ["--gamed-baselines", str(gamed), "--instructions", str(prompts)]
    row = rates(folder, tmp_path / "t", *both)
    assert row["win_rate"] == pytest.approx(47.530296, abs=0.01)
    assert row["standard_error"] == pytest.approx(1.055434, abs=0.01)
    assert row["discrete_win_rate"] == pytest.approx(49.689441, abs=0.01)
    assert row["length_controlled"] == pytest.approx(42.94074, abs=0.01)
    assert (row["baseline"], row["length_controlled_by"]) == ("gpt4_1106_preview", FULL)
    assert row["low"] < row["win_rate"] < row["high"]
    plain = rates(folder, tmp_path / "p")
    assert plain["length_controlled"] == pytest.approx(43.536447, abs=0.02)
    assert plain["length_controlled_by"] == MINIMAL


def test_both_files_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, prompts = imported(tmp_path, drawn(20, 5))
    options = ["--folder", str(tmp_path / "t"), "--instructions", str(prompts)]
    assert main(["judgement-tables", str(folder), *options]) == 2
    assert "belong together" in capsys.readouterr().err


def test_a_weight_without_lengths_has_no_controlled_rate(tmp_path: Path) -> None:
    rows = drawn(12, 6)
    lines = [
        {"question_id": str(i), "model": "mine", "baseline": "b", "lang": "en", "w": row["p"]}
        for i, row in enumerate(rows)
    ]
    file = tmp_path / "weights.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    form = ["--format", "records", "--benchmark", "ae", "--judge", "j", "--map", "weight=w"]
    folder = tmp_path / "j"
    assert main(["import-judgements", str(file), *form, "--output", str(folder)]) == 0
    row = rates(folder, tmp_path / "t")
    assert row["win_rate"] == pytest.approx(100 * np.mean([r["p"] for r in rows]), abs=1e-3)
    assert row["length_controlled"] is None
    assert "12 of 12 judgements lack the lengths" in row["interval_note"]
