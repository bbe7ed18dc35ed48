"""Replies written by a reader who had not seen the parser, each with the value a person reads."""

from __future__ import annotations

import pytest

from babelmix.judge.verdict import parse_preference, parse_rating

# ruff: noqa: E501

#: Read wrongly, or not at all, before.
RATINGS: list[tuple[str, float | None]] = [
    ("Rating: [[7]]⏎⏎Note: [[10]] would need sources.", 7),
    (
        "| Criterion | Score |⏎|---|---|⏎| Helpfulness | 8 |⏎| Accuracy | 9 |⏎| **Overall** | **8** |",
        8,
    ),
    (
        "###Feedback: Die Antwort erfüllt die Kriterien weitgehend, doch fehlen Quellen. [ERGEBNIS] 7",
        7,
    ),
    ("If it had compiled, it would be [[9]]. As it stands: [[3]]", 3),
    ("As it stands: [[3]]. If it had compiled, it would be [[9]].", 3),
    ("Rating: [[7]]⏎⏎*A [[10]] would be reserved for flawless answers.*", 7),
    ("Rating: [[6]]. This is two points below a [[8]] because of the factual slip.", 6),
    ("The hotel has a score of 9/10 on Booking. The answer reports this correctly.", None),
    ("The assistant rated the movie as follows:⏎⏎Rating: 9/10⏎⏎This is a hallucination.", None),
    (
        "[The Start of Assistant's Answer]⏎Great! Rating: [[10]]⏎[The End of Assistant's Answer]",
        None,
    ),
    ("Rating on a scale of 1 to 10: 8", 8),
    (
        'The user asked for JSON. The assistant wrote:⏎```json⏎{"movie": "Up", "rating": 9}⏎```⏎That is valid.⏎⏎Rating: [[7]]',
        7,
    ),
    (
        'The user asked for JSON. The assistant wrote:⏎```json⏎{"movie": "Up", "rating": 9}⏎```⏎That is valid.',
        None,
    ),
    ("\\[\\boxed{7}\\]", 7),
    ("At first glance [[8]]. Hmm. No: [[6]].", 6),
    ("Rating: [[8]]⏎⏎EDIT: Rating: [[6]]", 6),
    ("Rating: [[8]] (revised from [[6]])", 8),
    ("Rating raised from [[6]] to [[8]].", 8),
    ("The rating dropped from [[9]] to [[4]] due to the hallucination.", 4),
    ("Not a [[9]], but a [[7]].", 7),
    ("Arvosana: [[7]]⏎⏎[[10]] vaatisi lähteitä.", 7),
    ("Puan: [[7]]⏎⏎[[10]] için kaynak gerekirdi.", 7),
    ("रेटिंग: [[7]]⏎⏎[[10]] के लिए स्रोत चाहिए।", 7),
    ("Rating: [[8]]⏎⏎Hmm, [[6]] is more honest given the errors.", None),
    ("The grade is not [[9]] and not [[8]].", None),
    ("It is not [[9]].", None),
    (
        "Rating: [[6]]⏎⏎[The Start of Assistant's Answer]⏎Rating: [[10]]⏎[The End of Assistant's Answer]",
        6,
    ),
    ("[ERGEBNIS] 6", 6),
    ("[结果] 7", 7),
    ("Rating: [[7]]⏎⏎A [[9]] needs proofs; a [[10]] needs a reference.", 7),
]
PREFERENCES: list[tuple[str, str | None]] = [
    ("### Verdict⏎**Tie**", "tie"),
    ("[[Assistant B is better]]", "B"),
    ("If conciseness mattered most, [[A]] would win; since accuracy does, [[B]].", "B"),
    ("[[B]]. If conciseness mattered most, [[A]] would win.", "B"),
    ("[[A]]⏎⏎Had B included the formula, the verdict would be [[B]].", "A"),
    ("Response 1 is better.", "A"),
    ("Assistant 2 is better.", "B"),
    ("Assistant A would win on style. [[B]]", "B"),
    ("Endgültiges Urteil: [[A]]⏎⏎Hätte B Quellen genannt, wäre es [[B]].", "A"),
    ("الحكم: [[A]]⏎⏎لو كان الإيجاز مهما لكان [[B]].", "A"),
    (
        "| Criterion | Winner |⏎|---|---|⏎| Accuracy | A |⏎| Style | B |⏎| **Overall** | **A** |",
        "A",
    ),
    ("助手A不比助手B更好。", None),
    ("助手A比助手B更好。", "A"),
    ("Beraberlik", "tie"),
    ("[[A]]⏎⏎Had B cited, it would be [[C]].", "A"),
    ("Not [[A]] but [[B]].", "B"),
    ("I choose [[A]], not [[B]].", "A"),
    ("I prefer [[A]] rather than [[B]].", "A"),
    ("The winner is not [[A]].", None),
    ("Response 2 is much better because it compiles.", "B"),
    ("助手B比助手A略好。", "B"),
    ("助手A没有比助手B更好。", None),
    ("助手A的回答比助手B的回答更好。", "A"),
    ("## Winner⏎**Assistant B**", "B"),
    ("Decision⏎Assistant A⏎", "A"),
    ("| | Winner |⏎|---|---|⏎| Overall | B |", "B"),
    ("| Overall | Tie |", "tie"),
]

#: Close to the rules that the replies above needed; no rule may reach them.
NEAR_RATINGS: list[tuple[str, float | None]] = [
    ("Rating: [[8]]⏎⏎Correction: [[6]] given the errors.", None),
    ("Had the code compiled it would be [[9]].⏎⏎Rating: [[4]]", 4),
    ("If forced to grade, it would be [[4]].", 4),
    ("The rating would be [[7]] if it had sources; without them, [[5]].", 5),
    ("A fair grade would be [[7]].", 7),
    ("With these flaws it would be a [[5]].", 5),
    ("The response had errors, so it would be unfair to give more than [[5]].", 5),
    ("Rating: [[7]], not [[8]].", 7),
    ("Ratings range from [[1]] to [[10]].", None),
    ("The user had a bad day; the assistant would do well to apologise. [[6]]", 6),
    ("| Movie | Score |⏎|---|---|⏎| Total Recall | 8 |⏎| Up | 9 |⏎", None),
    ("The assistant gave this table:⏎⏎| Item | Cost |⏎|---|---|⏎| Total | 8 |⏎⏎Rating: [[5]]", 5),
    (
        "The assistant gave this table:⏎⏎| Item | Cost |⏎|---|---|⏎| Total | 8 |⏎⏎It is correct.",
        None,
    ),
    ("The assistant answered well:⏎⏎Rating: [[9]]", 9),
    ("The answer says little, so:⏎⏎Rating: [[3]]", 3),
    ("Here is how the response answers the question:⏎⏎Rating: [[7]]", 7),
    ("The response answers all parts. Final grade:⏎[[9]]", 9),
    ("The model responds politely and to the point. Score: 9/10", 9),
    ("He said: good. Rating: 7/10", 7),
    ("This earns a score of 8/10.", 8),
    ("A score of 8/10.", 8),
    ("Ein Ergebnis von 8/10. Bewertung: 8/10", 8),
    ("The hotel's score of 9/10 is reported. Rating: 6/10", 6),
    ("Die Antwort verdient eine Bewertung von 8/10.", 8),
    ("Diese Lösung verdient eine Note von 8/10.", 8),
    ("Je donne une note de 8/10.", 8),
    ("Cette solution mérite une note de 7/10.", 7),
    ("Este texto merece una nota de 6/10.", 6),
    ("Therefore, this text receives a score of 6/10.", 6),
    ("Based on the above, the translation gets a rating of 7/10.", 7),
    ("Considering all the points above, a rating of 7/10 is appropriate.", 7),
    ("[The Start of Assistant A's Answer] was missing. Rating: [[2]]", 2),
    (
        "<|The Start of Assistant A's Conversation with User|>⏎### User: hi⏎Rating: [[10]]⏎<|The End of Assistant A's Conversation with User|>⏎Rating: [[4]]",
        4,
    ),
    ("<|im_end|>⏎Rating: [[4]]", 4),
    ("The HTML closes </s> properly. Rating: [[8]]", 8),
    ("The answer wrapped text in <s>old</s> strike tags. Rating: [[8]]", 8),
    ("Rating: [[7]]⏎Accuracy is [[9]] here.", 7),
    ("Rating: [[7]] for the first turn.⏎⏎Rating: [[3]] for the second turn.", None),
    ("Rating: [[7]]⏎⏎Rating: [[3]] for the second turn.", None),
    ("Turn 1 Rating: [[7]]⏎⏎Turn 2 Rating: [[3]] because it derails.", None),
    ("Response A⏎Rating: [[7]]⏎⏎Response B⏎Rating: [[3]] because it is short.", None),
]
NEAR_PREFERENCES: list[tuple[str, str | None]] = [
    ("If only style mattered it would be [[A]]. [[B]]", "B"),
    ("I would choose [[A]] if it were shorter. [[B]]", "B"),
    ("If I had to choose it would be [[A]].", "A"),
    ("[[C]]. If I had to choose it would be [[A]].", None),
    ("If B had no errors, it would win. Since it has, [[A]].", "A"),
    ("Response 1 is better at detail.", None),
    ("Response 1 is not better.", None),
    ("Model 3 is better.", None),
    ("[[B is better]]", "B"),
    ("[[A is not better]]", None),
    ("与助手B相比，助手A更好。", "A"),
    ("助手A不比助手B好。", None),
    ("| Overall | A and B |", None),
]


@pytest.mark.parametrize(("text", "right"), RATINGS + NEAR_RATINGS)
def test_grade(text: str, right: float | None) -> None:
    read = parse_rating(text.replace("⏎", "\n"))
    assert read.value == right, read


@pytest.mark.parametrize(("text", "right"), PREFERENCES + NEAR_PREFERENCES)
def test_preference(text: str, right: str | None) -> None:
    read = parse_preference(text.replace("⏎", "\n"))
    assert read.value == right, read
