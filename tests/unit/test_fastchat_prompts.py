"""Published judge prompts, filled in once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from babelmix.errors import BabelmixError
from babelmix.judge.fastchat_prompts import load_fastchat_prompts

NAMES = ("single-v1", "single-math-v1", "single-v1-multi-turn", "pair-v2")


@pytest.fixture
def pattern(tmp_path: Path) -> str:
    rows = [
        {
            "name": name,
            "system_prompt": f"system {name}",
            "prompt_template": "Q {question} A {answer}{{x}}"
            if name == "single-v1"
            else "Q {question} R {ref_answer_1} A {answer}"
            if "math" in name
            else "A {answer_a} B {answer_b}"
            if "pair" in name
            else "{question_1}|{answer_1}|{question_2}|{answer_2}",
        }
        for name in NAMES
    ]
    place = tmp_path / "mt_bench_DE" / "judge_prompts.jsonl"
    place.parent.mkdir()
    place.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(tmp_path / "mt_bench_{LANG}" / "judge_prompts.jsonl")


def test_the_prompt_is_chosen_by_turn_and_reference(pattern: str) -> None:
    prompts = load_fastchat_prompts(pattern, "de")
    first = prompts.single(["{answer}"], ["a {question} [[A]]"])
    assert first[1]["content"] == "Q {answer} A a {question} [[A]]{x}"
    assert first[0]["content"] == "system single-v1"
    assert prompts.single(["q"], ["a"], ["r"])[1]["content"] == "Q q R r A a"
    assert prompts.single(["q", "p"], ["a", "b"])[1]["content"] == "q|a|p|b"
    assert prompts.pair("pairwise", ["q"], ["x"], ["y"])[1]["content"] == "A x B y"


def test_what_a_file_does_not_hold(pattern: str) -> None:
    prompts = load_fastchat_prompts(pattern, "de")
    with pytest.raises(BabelmixError, match="no prompt `single-math-multi-turn`"):
        prompts.single(["q", "p"], ["a", "b"], ["r", "s"])
    with pytest.raises(BabelmixError, match="side_by_side"):
        prompts.pair("side_by_side", ["q"], ["x"], ["y"])
    with pytest.raises(BabelmixError, match="two turns"):
        prompts.single(["q"] * 3, ["a"] * 3)
    with pytest.raises(BabelmixError, match="no such file"):
        load_fastchat_prompts(pattern, "fr")


@pytest.mark.real
def test_what_was_sent_to_gpt4_is_rendered_again(real_data: Path) -> None:
    """The user prompts of MT-Bench-X's published judgements hold question and answer as ours do."""
    pattern = str(real_data / "mt_bench_x" / "mt_bench_{LANG}" / "judge_prompts.jsonl")
    seen = 0
    for code in ("EN", "DE"):
        folder = real_data / "mt_bench_x" / f"mt_bench_{code}"
        asked = {}
        for line in (folder / "question.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            asked[row["question_id"]] = row["turns"]
        prompts = load_fastchat_prompts(pattern, code.lower())
        path = folder / "model_judgment" / "gpt-4_single.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["turn"] != 1:
                continue
            turns = asked[row["question_id"]]
            before, _, after = prompts.single(turns[:1], ["\x00"])[1]["content"].partition("\x00")
            sent = row["user_prompt"]
            assert sent.startswith(before)
            assert sent.endswith(after)
            seen += 1
    assert seen > 10
