"""Judgement and answer files in the very shapes in which well-known projects publish theirs.

Fields, spellings and odd rows are those of the real files; texts and values are of our own making,
a dozen rows each. The constants say what each file holds; the tests compare with them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

UUID = "39063206-9822-4069-90b0-0960e016411b"


def write_json(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=4), encoding="utf-8")
    return path


def write_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


#: PandaLM: three people's votes, 0 a tie; both judges' results, as numbers and as texts.
PANDALM_VOTES = ("222", "111", "222", "111", "221", "022", "110", "000", "012", "111", "212", "100")
PANDALM_JUDGE = (2, 1, 2, 1, 2, 2, 1, 0, 0, 1, 2, 0)
PANDALM_GPT = ("1", "1", "1", "1", "2", "2", "1", "Tie", "tie", "1", "2", "garbage")


def pandalm(root: Path) -> None:
    pairs = ["bloom-7b_llama-7b", "bloom-7b_opt-7b", "cerebras-gpt-6.7B_llama-7b"]
    test_set = [
        {
            "idx": number,
            "motivation_app": "Grammarly" if number % 2 else "Wikipedia",
            "cmp_key": pairs[number % 3],
            "instruction": f"Rewrite sentence {number}.",
            "input": float("nan") if number % 4 == 0 else "A sentence.",
            "response1": "One.",
            "response2": "Two.",
        }
        | {f"annotator{k + 1}": int(vote) for k, vote in enumerate(votes)}
        for number, votes in enumerate(PANDALM_VOTES)
    ]
    write_json(root / "pandalm/testset-v1.json", test_set)
    for name, values in (("pandalm", PANDALM_JUDGE), ("gpt", PANDALM_GPT)):
        rows = [
            {
                "idx": number,
                f"{name}_result": value,
                f"{name}_reason": "Response 1 is better because it is concise.",
                f"{name}_reference": "A better sentence.",
            }
            for number, value in enumerate(values)
        ]
        file = {"pandalm": "pandalm-7b", "gpt": "gpt-3.5-turbo"}[name]
        write_json(root / f"pandalm/{file}-testset-v1.json", rows)


#: FastEval: (turn 1, turn 2) of questions 81 to 86; the last reply of turn 2 has no grade.
FASTEVAL = ((9, 8), (10, 9), (9, 7), (6.5, 5), (2, 4), (7, None))


def fasteval(root: Path) -> None:
    place = root / "fasteval/reports/mt-bench/OpenAssistant--codellama-13b-oasst-sft-v10" / UUID
    rows = [
        {
            "question_id": str(81 + number),
            "turn_number": turn,
            "judge_reply": "The response is relevant."
            + ("" if grades[turn] is None else f" Rating: [[{grades[turn]:g}]]"),
        }
        for turn in (0, 1)
        for number, grades in enumerate(FASTEVAL)
    ]
    write_json(place / "judge-replies.json", rows)
    answers = {str(81 + n): [f"First answer {n}.", f"Second answer {n}."] for n in range(6)}
    write_json(place / "answers.json", answers)


#: mt_bench_repro: grades of both turns; winners in both orders, as places; the joined winner.
REPRO_GRADES = ((8.0, 7.0), (7.0, 7.0), (9.0, 10.0), (10.0, 4.0), (6.0, -1.0), (3.0, 5.0))
REPRO_PAIRS = (
    *(("B", "A", "gemma-2-9b-it"), ("A", "A", "inconsistent"), ("tie", "tie", "tie")),
    *(("A", "B", "SOLAR-10.7B-Instruct"), ("B", "B", "inconsistent"), ("A", "tie", "inconsistent")),
    *(("A", "B", "SOLAR-10.7B-Instruct"), ("error", "A", "error"), ("B", "A", "gemma-2-9b-it")),
    *(
        ("A", "B", "SOLAR-10.7B-Instruct"),
        ("tie", "A", "inconsistent"),
        ("B", "A", "gemma-2-9b-it"),
    ),
)
_REPLY = {"A": "[[A]]", "B": "[[B]]", "tie": "It is hard to tell.\n[[C]]", "error": "No verdict."}


def mt_bench_repro(root: Path) -> None:
    graded = [
        {
            "question_id": 81 + number,
            "model_id": "Qwen2.5-7B-Instruct",
            "judge_id": "Qwen2.5-14B-Instruct",
            "score_turn1": first,
            "score_turn2": second,
            "judgment_turn1": f"Clear and concise.\n\nRating: [[{first:g}]]",
            "judgment_turn2": f"Creative.\n\n**Rating: [[{second:g}]]**" if second > 0 else "Hm.",
            "category": "writing",
            "tstamp": 1774428240.42,
            "avg_score": (first + second) / 2,
        }
        for number, (first, second) in enumerate(REPRO_GRADES)
    ]
    place = root / "mt_bench_repro/data/judgments"
    write_lines(place / "single_grade/Qwen2.5-7B-Instruct.jsonl", graded)
    pairs = [
        {
            "question_id": 81 + number,
            "model_a": "SOLAR-10.7B-Instruct",
            "model_b": "gemma-2-9b-it",
            "judge_id": "Qwen2.5-14B-Instruct",
            "winner": winner,
            "judgment_ab": _REPLY[ab],
            "judgment_ba": _REPLY[ba],
            "winner_ab": ab,
            "winner_ba": ba,
            "turn": 2,
            "category": "writing",
            "tstamp": 1774878474.08,
        }
        for number, (ab, ba, winner) in enumerate(REPRO_PAIRS)
    ]
    write_lines(place / "pairwise/SOLAR-10.7B-Instruct_vs_gemma-2-9b-it.jsonl", pairs)


#: AlpacaEval 2: weighted preferences, 1 for the reference, 2 for the model; null is a failure.
ALPACA = (1.0000048889, 1.9321, 1.5, 1.2, 2.0, 1.87, 1.0, None, 1.4999, 1.0213, 1.75, 1.66)


def alpaca_eval(root: Path) -> None:
    rows = [
        {
            "instruction": f"What is thing {number}?",
            "output_1": "A reference answer. " * (number + 1),
            "generator_1": "gpt4_1106_preview",
            "dataset": "helpful_base",
            "output_2": "A model's answer. " * 3,
            "generator_2": "my-model",
            "annotator": "weighted_alpaca_eval_gpt4_turbo",
            "preference": preference,
            "price_per_example": None if preference is None else 0.0049,
            "time_per_example": None if preference is None else 0.9,
            "raw_completion": None
            if preference in (None, 1.5)
            else {
                "finish_reason": "length",
                "index": 0,
                "logprobs": {"content": [{"token": "M", "logprob": -0.01}]},
                "message": {"content": "M", "role": "assistant"},
                "text": "M",
                "total_tokens": 390.0,
            },
        }
        for number, preference in enumerate(ALPACA)
    ]
    write_json(
        root / "alpaca_eval/results/my-model/weighted_alpaca_eval_gpt4_turbo/annotations.json", rows
    )


#: Cherry: two grades in the first order and in the other; the last review could not be read.
CHERRY = (
    *(((8, 7), (7, 8)), ((8, 8), (8, 8)), ((9, 6.5), (8, 8)), ((7, 8), (9, 7)), ((8, 9), (8, 9))),
    *(((7, 7), (8, 9)), ((9, 8), (7, 9)), ((6, 9), (9, 6)), ((8, 7), (8, 7)), ((9, 9), (9, 8))),
    *(((10, 7), (8, 9)), ((-1, -1), (7, 8))),
)


def cherry(root: Path) -> None:
    data = []
    for number, (straight, reverse) in enumerate(CHERRY):
        row: dict[str, Any] = {
            "prompt": f"Koala prompt {number}",
            "Answer1": "An answer.",
            "Answer2": "Another answer, longer.",
        }
        for part, (first, second) in (("", straight), ("_reverse", reverse)):
            unread = (first, second) == (-1, -1)
            row[f"review{part}"] = (
                "Both are fine, I cannot grade them."
                if unread
                else f"{first:g} {second:g}\nAssistant 1 gave a clear answer. 10/10 for form."
            )
            row[f"scores{part}"] = str([float(first), float(second)] if not unread else [-1, -1])
        data.append(row)
    meta = {
        "dataset_name": "koala",
        "fname1": "test_inference/cherry_wizardlm/koala_1024.json",
        "fname2": "test_inference/wizardlm/koala_1024.json",
        "average_scores": "[7.3, 7.1]",
        "average_scores_reverse": "[7.9, 8.2]",
    }
    place = root / "cherry/logs/cherry_wizardlm-VSwizardlm/koala_wrap_reviews_gpt4.json"
    write_json(place, {"Meta_Info": meta, "data": data})


#: LogicKor: grades of 0 to 10 on both turns.
LOGICKOR = (
    *((10.0, 10.0), (10.0, 4.0), (3.0, 0.0), (0.0, 7.0), (10.0, 10.0), (9.0, 8.0)),
    *((10.0, 2.0), (10.0, 10.0), (10.0, 9.0), (5.0, 6.0), (7.0, 7.0), (8.0, 1.0)),
)


def logickor(root: Path) -> None:
    rows = [
        {
            "id": 1 + number,
            "category": "수학(Math)" if number % 2 else "글쓰기(Writing)",
            "questions": ["미분하시오.", "한 번 더 미분해보시오."],
            "outputs": ["f'(x) = 9x^2 + 4x 이 됩니다.", "f''(x) = 18x + 4가 됩니다."],
            "references": ["9x^2 + 4x", None],
            "query_single": {
                "judge_message": "정확한 답변이다. 10점 만점.",
                "judge_score": first,
            },
            "query_multi": {"judge_message": "요구사항을 충족했다.", "judge_score": second},
        }
        for number, (first, second) in enumerate(LOGICKOR)
    ]
    write_lines(root / "LogicKor/evaluated/Qwen/Qwen2-7B-Instruct/default.jsonl", rows)
    again = [row | {"query_multi": None} if row["id"] == 12 else row for row in rows]
    write_lines(root / "LogicKor/evaluated/maywell/Synatra-kiqu-7B/1-shot.jsonl", again)


#: JudgeBench: label, decision in each order (the place shown), as Arena-Hard and as a reward model.
JUDGEBENCH = (
    *(("A>B", "B>A", "A=B"), ("A>B", "A>B", "B>A"), ("B>A", "B>A", "A>B"), ("B>A", "A>B", "A>B")),
    *(("A>B", "A>B", None), ("A>B", "A=B", "A=B"), ("B>A", "B>A", "B>A"), ("A>B", "A>B", "B>A")),
    *(("B>A", "B>A", "A>B"), ("A>B", "A>B", "A=B"), ("B>A", "A=B", "A>B"), ("A>B", "B>A", "A>B")),
)
_ARENA_REPLY = {"A>B": "[[A>>B]]", "B>A": "[[B>A]]", "A=B": "[[A=B]]"}


def judgebench(root: Path) -> None:
    for name, model in (
        ("arena_hard", "claude-3-haiku-20240307"),
        ("reward_model", "internlm/internlm2-7b-reward"),
    ):
        rows = []
        for number, (label, *decisions) in enumerate(JUDGEBENCH):
            judgments: list[dict[str, Any] | None] = []
            for decision in decisions:
                if decision is None:
                    judgments.append(None)
                    continue
                judgment: dict[str, Any] = {"judge_model": model, "prompt": "<|User Prompt|>"}
                if name == "arena_hard":
                    said = f"\nMy final verdict is: {_ARENA_REPLY[decision]}"
                    judgment |= {"response": said}
                else:
                    scores = {"A>B": [1.88, 1.25], "B>A": [-1.25, 1.88], "A=B": [0.5, 0.5]}
                    judgment |= {"prompt": "", "response": "", "scores": scores[decision]}
                judgments.append({"judgment": judgment, "decision": decision})
            rows.append(
                {
                    "pair_id": f"b5ce1305-50fe-5a5e-b785-{number:012}",
                    "original_id": 6603 + number,
                    "source": "mmlu-pro-health" if number % 2 else "livebench-math",
                    "question": "Which? (A) this (B) that",
                    "response_model": "gpt-4o-2024-05-13",
                    "response_A": "AAAAA",
                    "response_B": "BBBBB",
                    "label": label,
                    "judge_name": name,
                    "judgments": judgments,
                }
            )
        file = (
            f"dataset=judgebench,response_model=gpt-4o-2024-05-13,judge_name={name},"
            f"judge_model={model.replace('/', '_')}.jsonl"
        )
        write_lines(root / "JudgeBench/outputs" / file, rows)


#: inspect_ai: C (correct), I (incorrect), P (partly), N (no answer counts as none).
INSPECT = "CCIPCNIICPCC"


def inspect_log(root: Path) -> None:
    samples = [
        {
            "id": number,
            "epoch": 1,
            "input": "A question?",
            "target": "An answer.",
            "scores": {
                "model_graded_qa": {
                    "value": value,
                    "answer": "An answer.",
                    "explanation": f"The submission is compared.\n\nGRADE: {value}",
                    "metadata": {"grading": []},
                }
            },
        }
        for number, value in enumerate(INSPECT, start=1)
    ]
    log = {"version": 2, "status": "success", "eval": {"task": "qa", "model": "openai/gpt-4o"}}
    write_json(root / "logs/inspect.json", log | {"samples": samples, "reductions": []})


def lm_eval(root: Path) -> None:
    rows = [
        {
            "doc_id": number,
            "doc": {"question": "Why?", "best_answer": "So."},
            "target": "So.",
            "arguments": {"gen_args_0": {"arg_0": "Q: Why?", "arg_1": {"until": ["\n"]}}},
            "resps": [["So."]],
            "filtered_resps": ["So."],
            "filter": "none",
            "metrics": ["bleu_acc"],
            "doc_hash": "5d7f",
            "bleu_acc": number % 3 and 1,
        }
        for number in range(12)
    ]
    write_lines(root / "lm_eval/samples_truthful_2024.jsonl", rows)


def openai_evals(root: Path) -> None:
    """OpenAI Evals' log: the specification, events of several types, and the final report."""
    events: list[dict[str, Any]] = []
    for number in range(6):
        place = {"run_id": "r", "sample_id": f"qa.dev.{number}", "created_by": ""}
        sampled = {"type": "sampling", "data": {"prompt": "Q", "sampled": ["A"]}}
        events += [place | sampled | {"event_id": 2 * number}]
        graded = {"type": "metrics", "data": {"choice": "Y", "score": float(number != 2)}}
        events += [place | graded | {"event_id": 2 * number + 1}]
    spec = {"spec": {"completion_fns": ["my-model"], "eval_name": "qa.dev.v0", "run_id": "r"}}
    write_lines(root / "evals/log.jsonl", [spec, *events, {"final_report": {"accuracy": 0.8}}])


def build_all(root: Path) -> Path:
    """All of them below one folder, as after cloning the projects side by side."""
    study = (pandalm, fasteval, mt_bench_repro, alpaca_eval, cherry, logickor, judgebench)
    for make in (*study, inspect_log, lm_eval, openai_evals):
        make(root)
    return root
