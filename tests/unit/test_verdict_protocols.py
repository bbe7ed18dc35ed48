"""Replies in the shapes of published judging protocols: the verdict that a person would read.

⏎ stands for a line break. The wording is our own; the shapes are those of MT-Bench (single, pair),
Arena-Hard and m-ArenaHard, AlpacaEval, Prometheus, PandaLM, JudgeLM, LLMBar, JudgeBench, LogicKor,
Auto-J, G-Eval, WildBench, HelpSteer, CompassJudger and AlignBench, and of judges that reason.
"""

from __future__ import annotations

import pytest

from babelmix.judge.verdict import parse_preference, parse_rating

MT_BENCH_SINGLE: list[tuple[str, float | None]] = [
    ("The reply covers all three cities but mixes up two dates. Rating: [[6]]", 6),
    ("Rating: [[9]]⏎⏎The poem rhymes, keeps to the metre and ends on the asked word.", 9),
    ("The proof is complete.⏎⏎**Rating: [[10]]**", 10),
    ("Turn two ignores the limit of four sentences.⏎⏎Final rating: [[4]]", 4),
    ('I followed the format "[[rating]]" as told.⏎Rating: [[7]]', 7),
    ('I will close with "Rating: [[5]]" as an example of the format. Rating: [[8]]', 8),
    ('Therefore, I would rate it as follows: "Rating: [[8]]".', 8),
    ('So my grade is: "[[3]]"', 3),
    ('The grade in the requested way would be "[[6]]".', 6),
    ("Rating: [[2]]⏎The answer itself claims Rating: [[10]] which I ignored.", None),
    ("The answer claims Rating: [[10]]. It is off topic. Rating: [[2]]", 2),
    ("The response ends with [[10]], which it awards itself.", None),
    ("The assistant says that it deserves a [[10]].⏎⏎Rating: [[1]]", 1),
    ("Rating: [[1]]⏎⏎The text closes with these words:⏎Rating: [[10]]", None),
    ("First impression [[8]]. On reflection the sum is wrong. Rating: [[5]]", 5),
    ("I was going to give [[8]], but finally I settle on [[6]].", 6),
    ("Either [[6]] or [[7]] would be fair.", None),
    ("For the style [[8]] and for the facts [[4]]", None),
    ("It is between [[6]] and [[7]].", None),
    ("Rating: [[7]]⏎⏎See also the note [[citation needed]] in the answer.", 7),
    ("The wiki text keeps its [[link]] marks. Rating: [[6]]", 6),
    ("The table entry a[[3]] is never set. Rating: [[5]]", 5),
    ("The score list s[[1]] is wrong.", None),
    ("It prints [[1, 2], [3, 4]]. Rating: [[7]]", 7),
    ("Rating: [[8.5]]", 8.5),
    ("Rating: [[8]] / [[10]]", 8),
    ("On a scale from [[1]] to [[10]] I say Rating: [[7]]", 7),
    ("Rating: [[12]]", None),
    ("Rating: [[3/5]]", None),
    ("Rating:[[八]]", 8),
    ("[[八]]", 8),
    ("[[七点五]]", 7.5),
    ("[[十]]", 10),
    ("Rating: [[two]]", None),
    ("Assistant A: [[8]]⏎Assistant B: [[6]]", None),
    ("Considering accuracy, depth, creativity, and level of detail: [[8]]", 8),
    ("For accuracy and depth I would rate it [[8]].", 8),
    ("The overall rating is [[7]] because accuracy is [[9]] but depth is [[5]].", 7),
    ("Rating: [[7]]⏎⏎Note: [[10]] would need sources.", 7),
    ("**Accuracy**: fine.⏎**Depth**: 5 points are named.⏎⏎**Score: 9**", 9),
    ("Final self-rating: 9 and 1", None),
    ("My rating would be [[8]] if the code ran, but it does not, so it is [[4]].", 4),
    ("Rating: [[8]][[9]]", None),
    ("The user asked for a film and the assistant gave it a rating of 8 out of 10.", None),
    ("<evaluation>Good</evaluation>⏎<rating>⏎8⏎</rating>", 8),
    ('{"evaluation": {"rating": 8}}', 8),
    ('{"model_a": {"rating": 8}, "model_b": {"rating": 6}}', None),
    ("Turn 1: [[8]]⏎Turn 2: [[5]]", None),
    ("Turn 1: [[8]]⏎Turn 2: [[5]]⏎Overall: [[6]]", 6),
    ("Rating (helpfulness): [[9]]⏎Rating (accuracy): [[5]]⏎Overall rating: [[7]]", 7),
]

MT_BENCH_PAIR: list[tuple[str, str | None]] = [
    ("Assistant A names the right author, B does not. [[A]]", "A"),
    ("Both lists are right and equally long, so it is a tie. [[C]]", "tie"),
    ("My final verdict: [[B]]", "B"),
    ('Output: "[[A]]"', "A"),
    ('My final verdict is therefore "[[B]]".', "B"),
    ("[[A]]⏎⏎Assistant A shows its steps; assistant B only gives a number.", "A"),
    (
        '"[[A]]" if assistant A is better, "[[B]]" if assistant B is better, "[[C]]" for a tie.',
        None,
    ),
    (
        'I choose among "[[A]]" if A is better, "[[B]]" if B is better, "[[C]]" for a tie. '
        "Assistant B forgot the units.⏎⏎[[A]]",
        "A",
    ),
    ('The options are "[[A]]", "[[B]]" and "[[C]]".', None),
    ("I was told to output [[A]], [[B]] or [[C]].", None),
    ("[[A]] and [[B]] are both possible.", None),
    ("Assistant A left its fence open (```) but the code is the same. [[C]]", "tie"),
    ("Assistant A forgot the closing⏎```⏎mark, and that is all.⏎⏎[[C]]", "tie"),
    ("```python⏎x = rows[[B]]⏎```⏎Both run. [[A]]", "A"),
    ("The answer B says [[B]] at its end to trick me. [[A]]", "A"),
    ("Answer B ends with [[B]].", None),
    ("**[[B]]**⏎⏎**Reason:** the [[claim]] of assistant A is off.", "B"),
    ("Assistant A: [[7]]⏎Assistant B: [[8]]⏎⏎[[B]]", "B"),
    ("I would choose [[A]] over [[B]].", None),
    ("Answer: A", "A"),
    ("Preferred response: B", "B"),
    ("Therefore, Assistant A's response is better.", "A"),
    ("I think that Assistant A is better.", "A"),
    ("A: 8/10⏎B: 6/10⏎⏎Verdict: A", "A"),
    ('{"verdict": "[[A>B]]"}', "A"),
    ("Assistant A wins on style, Assistant B wins on accuracy.", None),
    ("[[A]]⏎⏎Note: [[B]] was close.", None),
    ("B is better", "B"),
    ("A better answer names the city", None),
    ("[[Assistant A]]", "A"),
    ("[[assistant_b]]", "B"),
    ("[[Tie]]", "tie"),
    ("Verdict: [[A]] (not [[B]])", "A"),
    ("Initially I leaned to [[A]]. After checking the sum, my final verdict is [[B]].", "B"),
    ("[[A]]⏎[[B]]⏎[[A]]⏎[[B]]", None),
    ("Final verdict: [[A]]⏎Verdict: [[B]]", "B"),
]

ARENA_HARD: list[tuple[str, str | None]] = [
    ("My final verdict is tie: [[A=B]]", "tie"),
    ("[[B=A]]", "tie"),
    ("My final verdict is: Assistant A is significantly better: [[A>>B]]", "A"),
    ("My final verdict is that Assistant A is slightly better: [[A>B]]", "A"),
    ("Assistant B is slightly better: [[B>A]]", "B"),
    ("Assistant B is significantly better: [[B>>A]]", "B"),
    ("## Verdict⏎⏎**[[A>B]]**", "A"),
    ("[[A > B]]", "A"),
    ("[[ B >> A ]]", "B"),
    ("[[A&gt;&gt;B]]", "A"),
    ("[[Ａ＞Ｂ]]", "A"),
    ("[[A≫B]]", "A"),
    ("[[A<B]]", "B"),
    ("[[B<<A]]", "A"),
    ("Final verdict: A>B", "A"),
    ("Verdict: A=B", "tie"),
    ("<answer>[[B>A]]</answer>", "B"),
    ("[[Assistant A > Assistant B]]", "A"),
    (
        "1. Assistant A is significantly better: [[A>>B]]⏎2. Assistant A is slightly better: "
        "[[A>B]]⏎3. Tie, relatively the same: [[A=B]]⏎4. Assistant B is slightly better: [[B>A]]⏎"
        "5. Assistant B is significantly better: [[B>>A]]",
        None,
    ),
    (
        "The choices are [[A>>B]], [[A>B]], [[A=B]], [[B>A]] and [[B>>A]]. Assistant B answers the "
        "actual question.⏎⏎My final verdict is Assistant B is slightly better: [[B>A]]",
        "B",
    ),
    ("[[A>>B]] or maybe [[A>B]], in any case A.", "A"),
    ("[[A>B]] or [[B>A]]", None),
    ("[[A>C]]", None),
    ("Correctness: ((A>B))⏎Style: ((B>A))⏎⏎My verdict: [[A=B]]", "tie"),
    ("**판정: [[A>>B]]**", "A"),
    ("最终结论：[[B>A]]", "B"),
    ("Urteil: Assistent B ist etwas besser: [[B>A]]", "B"),
]

ALPACA_EVAL: list[tuple[str, str | None]] = [
    ("m", "A"),
    ("M", "B"),
    ("Output (a)", "A"),
    ("Output (b).", "B"),
    ("[{'model': 'model_1', 'rank': 1}, {'model': 'model_2', 'rank': 2}]", "A"),
    ('[{"model": "model_2", "rank": 1}, {"model": "model_1", "rank": 2}]', "B"),
    ("```python⏎[{'model': 'M', 'rank': 1}, {'model': 'm', 'rank': 2}]⏎```", "B"),
    ("[{'model': 'model_1', 'rank': 1}, {'model': 'model_2', 'rank': 1}]", "tie"),
    ("[{'model': 'model_1', 'rank': 1}]", None),
]

PROMETHEUS: list[tuple[str, float | None]] = [
    ("Feedback: The reply keeps the asked tone throughout. [RESULT] 5", 5),
    ("The response misses the second question. So the overall score is 2. [RESULT] 2", 2),
    ("Feedback: good.⏎[RESULT]⏎4", 4),
    ("Feedback: good. [RESULT] (3)", 3),
    ("Feedback: good. [RESULT]: 4/5", None),
    ("Feedback: good. [RESULT] Score: 4", 4),
    ("Feedback: the reply is empty. [RESULT] 0", None),
    ("Feedback: the reply is empty. [RESULT]", None),
    ("Feedback: the reply is fair. [SCORE] 3", 3),
]

PREFERENCES_BY_WORD: list[tuple[str, str | None]] = [
    # Prometheus (relative)
    ("Feedback: Response A stays on topic. [RESULT] A", "A"),
    ("Feedback: Response B cites the law. [RESULT] B", "B"),
    ("Feedback: no difference. [RESULT] (A or B)", None),
    # PandaLM
    ("1⏎⏎### Reason: Response 1 gives the year too.⏎⏎### Reference: In 1969.", "A"),
    ("2⏎⏎### Reason: Response 2 is in the asked language.", "B"),
    ("Tie⏎⏎### Reason: Both are right.", "tie"),
    ("1", None),
    # JudgeLM, and Vicuna's first line of two scores
    ("8 9⏎The second answer is fuller.", "B"),
    ("7.5, 6⏎Assistant 1 shows its work.", "A"),
    ("10 10⏎Both are perfect.", "tie"),
    ("80 90⏎The second is better.", None),
    ("8 9⏎No: after all [[A]]", "A"),
    # LLMBar
    ("Output (a) is better.", "A"),
    ("Output (b) is better because it follows the instruction.", "B"),
    ("Neither Output (a) nor Output (b) is better.", None),
    # JudgeBench
    ("Assistant B reaches the right option, C. My final verdict: [[B>A]]", "B"),
    ("**Verdict**: [[B]]", "B"),
    # Auto-J
    ("1. Key factors: clarity.⏎2. The final decision is Response 1.", "A"),
    ("So the final decision is Response 2", "B"),
    ("... the final decision is tie.", "tie"),
    # WildBench
    (
        '{"analysis of A": "short", "analysis of B": "off", "reason of A=B": "", "choice": "A++"}',
        "A",
    ),
    ('{"analysis of A": "x", "choice": "B+"}', "B"),
    ('Sure.⏎```json⏎{"analysis of A": "x", "choice": "A=B"}⏎```', "tie"),
    # CompassJudger and others that answer by JSON
    ('{"reason": "B cites [[A]] wrongly", "winner": "B"}', "B"),
    ('{"answer": "[[A]]", "reason": "fuller"}', "A"),
    ('{"preference": "tie"}', "tie"),
    ("{'better_response': 'Response B'}", "B"),
    ('{"winner": "A", "verdict": "B"}', None),
    ('{"winner": "the first"}', None),
    ("选择：A", "A"),
    ("<verdict>B</verdict>", "B"),
    ("<answer>A</answer>", "A"),
    ("The box: \\boxed{A}", "A"),
    ("So the winner is $\\boxed{\\text{B}}$.", "B"),
    ("\\boxed{B}", "B"),
]

RATINGS_BY_FORM: list[tuple[str, float | None]] = [
    # LogicKor
    ("평가: 핵심 논리는 맞지만 계산이 틀렸다.⏎점수: 6", 6),
    ("평가: 훌륭하다.⏎점수: 9.5점", 9.5),
    ("<평가>논리가 좋다.</평가>⏎<점수>8</점수>", 8),
    # Auto-J
    ("The critique: needs examples. Rating: [[5]]", 5),
    # G-Eval: one criterion was asked for; only a bare number is the grade
    ("4", 4),
    ("- Coherence: 4", None),
    # WildBench
    ('{"strengths": "clear", "weaknesses": "none", "score": "8"}', 8),
    ('```json⏎{"strengths": "a⏎b", "weaknesses": "", "score": 7}⏎```', 7),
    ('{"strengths": "says \\"score\\": 10", "score": 6}', 6),
    # HelpSteer: sub-scores are no overall grade
    ("helpfulness: 4⏎correctness: 4⏎coherence: 4⏎complexity: 2⏎verbosity: 2", None),
    ("Helpfulness: [[9]]⏎Accuracy: [[3]]", None),
    ("Helpfulness: [[9]]⏎Accuracy: [[3]]⏎Rating: [[5]]", 5),
    ("Rating: [[5]]⏎Helpfulness: [[9]]⏎Accuracy: [[3]]", 5),
    ("Helpfulness: [[9]]", None),
    ("Overall score: 7/10⏎Accuracy score: 9/10", 7),
    ("Accuracy score: 9/10⏎Overall score: 7/10", 7),
    ("Depth: 6/10⏎Style: 8/10⏎Overall: 6/10", 6),
    ("**Overall:** 7", 7),
    ("| Criterion | Score |⏎|---|---|⏎| Accuracy | 9 |⏎| Depth | 6 |⏎⏎Overall: 7/10", 7),
    ('{"helpfulness": 9, "accuracy": 3}', None),
    ('{"helpfulness": 9, "accuracy": 3, "overall": 5}', 5),
    ('{"scores": {"accuracy": 9, "overall_score": 7}}', 7),
    ('{"accuracy_score": 9, "overall_score": 7}', 7),
    ('{"score": 9, "overall_score": 7}', None),
    # AlignBench, CompassJudger
    ("参考答案正确。⏎{'事实正确性': 9, '满足用户需求': 7, '清晰度': 8, '综合得分': 8}", 8),
    ("{'事实正确性': 9, '满足用户需求': 7}", None),
    ("综合得分：[[7]]", 7),
    ("综合评分: 8分", 8),
    # boxes, tags, JSON after prose
    ("\\boxed{8}", 8),
    ("**Rating:** $\\boxed{8}$", 8),
    ("Good work.⏎⏎$$\\boxed{9}$$", 9),
    ("I rate it \\boxed{7}.", 7),
    ("The right result is \\boxed{4}, and the assistant found it.", None),
    ("The right result is \\boxed{4}.⏎⏎Rating: [[9]]", 9),
    ("The right result is \\boxed{4}.⏎⏎**Score: 8**", 8),
    ("The two results are \\boxed{4} and⏎\\boxed{5}", None),
    ("<rating>8</rating>", 8),
    ("Fine.⏎<score> 7.5 </score>", 7.5),
    ("<final_score>6</final_score>", 6),
    ("<accuracy>9</accuracy><overall>6</overall>", 6),
    ("<answer>[[8]]</answer>", 8),
    ('The reply is right but long.⏎```json⏎{"rating": 8}⏎```', 8),
    ('The reply is right but long.⏎⏎{"reason": "ok", "rating": 8}', 8),
    ('{"explanation": "it says "hello" twice", "rating": 8}', 8),
    ('{"explanation": "it ends "[[10]]" oddly", "rating": 3}', 3),
    ("Here is my JSON:⏎```⏎{'score': 7}⏎```⏎Thank you.", 7),
    ('Rating: [[3]]⏎```json⏎{"rating": 8}⏎```', None),
    ('Rating: 9⏎{"rating": 8}', None),
    ("I'd rate it 7 out of 10.⏎⏎\\boxed{4}", None),
    ('"Rating: [[5]]" was the example. Score: 6/10', 6),
    ('The text shows "Rating: [[5]]". I would rate it 7 out of 10.', None),
    ("Overall: 7/10⏎Rating: 9", None),
]

REASONING: list[tuple[str, float | None]] = [
    ("[THINK]I could say Rating: [[3]], but no.[/THINK]⏎Good answer. [[8]]", 8),
    ("◁think▷maybe [[3]]◁/think▷Rating: [[8]]", 8),
    ("<seed:think>maybe [[3]]</seed:think>[[8]]", 8),
    ("<reasoning>maybe [[3]]</reasoning>[[8]]", 8),
    ("<thought>maybe [[3]]</thought>⏎[[8]]", 8),
    ("<think>maybe [[3]]", None),
    ("<thinking>a</thinking><think>b [[3]]", None),
    ("[THINK]maybe [[3]]", None),
    ("◁think▷maybe [[3]]", None),
    ("<reasoning>maybe [[3]]", None),
    ("We could say [[3]].</think>[[8]]", 8),
    ("Hm [[3]][/THINK][[8]]", 8),
    (
        "<|channel|>analysis<|message|>Maybe [[3]]<|end|><|start|>assistant<|channel|>final"
        "<|message|>Rating: [[8]]<|return|>",
        8,
    ),
    ("<|channel|>analysis<|message|>Maybe [[3]]", None),
    ("analysisWe need a rating, perhaps [[3]].assistantfinalRating: [[8]]", 8),
    ("analysisWe need a rating, perhaps [[3]].", None),
    ("<|channel>thought⏎perhaps [[3]]<channel|>Rating: [[8]]", 8),
    ("<|START_THINKING|>perhaps [[3]]<|END_THINKING|><|START_RESPONSE|>[[8]]<|END_RESPONSE|>", 8),
    ("<|begin_of_thought|>perhaps [[3]]<|end_of_thought|>[[8]]", 8),
    ("Here is my thought process: perhaps [[3]] Here is my response: [[8]]", 8),
    ("The answer leaks `<think>` marks to the reader. Rating: [[4]]", 4),
    ('The answer leaks "</think>" to the reader. Rating: [[4]]', 4),
]


def lines(text: str) -> str:
    return text.replace("⏎", "\n")


@pytest.mark.parametrize(
    ("text", "right"), MT_BENCH_SINGLE + PROMETHEUS + RATINGS_BY_FORM + REASONING
)
def test_grade(text: str, right: float | None) -> None:
    read = parse_rating(lines(text))
    assert read.value == right, read
    assert (read.reason is None) == (right is not None)


@pytest.mark.parametrize(
    ("text", "right"), MT_BENCH_PAIR + ARENA_HARD + ALPACA_EVAL + PREFERENCES_BY_WORD
)
def test_preference(text: str, right: str | None) -> None:
    read = parse_preference(lines(text))
    assert read.value == right, read
    assert (read.reason is None) == (right is not None)
