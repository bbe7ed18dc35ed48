"""Replies as judges write them, in thirty languages: the verdict that a person would read."""

from __future__ import annotations

import time

import pytest

from babelmix.judge.verdict import parse_preference, parse_rating

RATINGS: list[tuple[str, float | None]] = [
    (
        "Die Antwort ist hilfreich, enthält aber einen kleinen Fehler.\n\n**Bewertung: 7,5/10**",
        7.5,
    ),
    ("Insgesamt vergebe ich 8 von 10 Punkten.", 8),
    (
        "Gesamtbewertung: [[6]]. Die zweite Antwort war deutlich schwächer als die erste.",
        6,
    ),
    ("Note: sehr gut (9/10)", 9),
    (
        "Ich bewerte die Antwort mit [[4]]. Eine 10 wäre nur bei voller Korrektheit möglich.",
        4,
    ),
    ("Meine Bewertung lautet: **8**", 8),
    ("### Bewertung\n\n8/10", 8),
    ("**Endgültige Bewertung:** 7 / 10", 7),
    ("Der Assistent antwortet höflich und korrekt. Bewertung: [[8]] von [[10]]", 8),
    ("La réponse est claire et complète, mais un peu longue. Note : 8/10.", 8),
    ("Je donnerais une note de 7,5 sur 10 à cette réponse.", 7.5),
    ("Évaluation finale : **[[9]]**", 9),
    (
        "Note finale : [[5]]\n\nExplication : la réponse ignore la deuxième partie de la question.",
        5,
    ),
    ("J'attribue la note de [[3]] à la réponse de l'assistant.", 3),
    ("« Note : [[5]] » est le format demandé. Ma note : [[8]]", 8),
    ("La risposta è corretta e ben scritta.\n\nValutazione: [[9]]", 9),
    ("Voto: 6,5", 6.5),
    ("Punteggio complessivo: 7/10", 7),
    ("Darei un voto di 8 su 10.", 8),
    ("Valutazione finale: 7 su 10", 7),
    ("La respuesta es útil pero poco detallada. Calificación: [[6]]", 6),
    ("Puntuación final: 8,5 de 10", 8.5),
    ("Calificación: **7/10**", 7),
    ("Le doy una calificación de 4 sobre 10 porque no contesta a lo que se pregunta.", 4),
    ("Mi evaluación es: [[9]]", 9),
    ("A resposta está correta e é detalhada. Avaliação: [[8]]", 8),
    ("Nota final: 7,5", 7.5),
    ("Pontuação: 9 de 10", 9),
    ("Eu daria nota 6 de 10 a esta resposta.", 6),
    ("Het antwoord is juist maar onvolledig. Beoordeling: [[6]]", 6),
    ("Cijfer: 7,5", 7.5),
    ("Eindoordeel: ik geef een 8 op 10. Beoordeling: 8/10", 8),
    ("Odpowiedź jest trafna i wyczerpująca. Ocena: [[9]]", 9),
    ("Ocena końcowa: 8/10", 8),
    ("Moja ocena to 7 na 10.", 7),
    ("Ответ полный и точный.\n\nОценка: [[9]]", 9),
    ("Итоговая оценка: 8/10", 8),
    ("Оценка: 7 из 10", 7),
    ("Я ставлю 6 баллов из 10.", 6),
    ("Ответ неверен. Оценка — 2.", 2),
    ("Оцінка: [[8]]", 8),
    ("该回答准确、详细，但略显冗长。\n\n评分：[[8]]", 8),
    ("评分：8分", 8),
    ("综合评分：9/10", 9),
    ("我给这个回答打 7 分（满分 10 分）。", 7),
    ("总体评分为：【【7】】", 7),
    ("回答は正確で、わかりやすいです。\n\n評価：[[9]]", 9),
    ("評価: 8/10", 8),
    ("評点：７", 7),
    ("総合評価：10点満点中8点", 8),
    ("답변이 정확하고 유용합니다.\n\n평가: [[8]]", 8),
    ("점수: 7점", 7),
    ("최종 평점: 8/10", 8),
    ("الإجابة دقيقة ومفصلة.\n\nالتقييم: [[٨]]", 8),
    ("التقييم النهائي: ٧/١٠", 7),
    ("الدرجة: 9 من 10", 9),
    ("उत्तर सही और विस्तृत है।\n\nरेटिंग: [[8]]", 8),
    ("मूल्यांकन: ८/१०", 8),
    ("अंक: 7/10", 7),
    ("Yanıt doğru ve ayrıntılı. Puan: [[8]]", 8),
    ("Değerlendirme: 7/10", 7),
    ("Svaret är korrekt. Betyg: [[7]]", 7),
    ("Svaret er fint. Vurdering: 8/10", 8),
    ("Vastaus on oikea. Arvosana: [[9]]", 9),
    ("A válasz pontos. Értékelés: [[8]]", 8),
    ("Răspunsul este corect. Notă: [[7]]", 7),
    ("Η απάντηση είναι σωστή. Βαθμολογία: [[8]]", 8),
    ("Câu trả lời đúng và đầy đủ. Đánh giá: [[9]]", 9),
    ("Điểm: 8/10", 8),
    ("Jawabannya benar. Nilai: [[8]]", 8),
    ("Jibu ni sahihi. Alama: [[7]]", 7),
    ("Odpověď je správná. Hodnocení: [[8]]", 8),
    ("התשובה נכונה ומפורטת. ציון: [[9]]", 9),
    ("คำตอบถูกต้อง คะแนน: [[8]]", 8),
    ("คะแนน: 8/10", 8),
    ("উত্তরটি সঠিক। রেটিং: [[7]]", 7),
    # hard / English
    ("Rating: 8.5/10\n\nThe answer could be 10/10 if it cited sources.", 8.5),
    ("I'd rate this response a 7 out of 10.", 7),
    ("Overall, I would give this a score of **8**.", 8),
    ("Score: 8\nConfidence: 9", 8),
    ("**Rating: [[8]]** (relevance 9, accuracy 8, depth 7)", 8),
    ("Helpfulness: 9/10\nAccuracy: 8/10\nDepth: 6/10\n\nOverall rating: [[7]]", 7),
    ("Turn 1 was an 8. For turn 2: Rating: [[5]]", 5),
    ("Rating: [[8]]\n\nWait, on reflection the code has a bug. Rating: [[4]]", 4),
    ("Rating: [[N/A]]", None),
    ("I cannot rate this response because it's empty.", None),
    ("Rating: [[1-10]]", None),
    ("Rating: between 7 and 8", None),
    ("Rating: [[7]]/[[10]]", 7),
    ("The rating is [[ 8 ]].", 8),
    ("Rating: ⭐⭐⭐⭐⭐⭐⭐⭐ (8/10)", 8),
    ("Rating: 80/100", None),
    ("Rating: [[11]]", None),
    ("Rating: 8–9", None),
    ("Rating: eight", None),
    ("Rating\n\n1. The answer is right.\n2. It is short.", None),
    ("Rating:\n\n1. Helpfulness: good\n2. Accuracy: good", None),
    ("Score breakdown: relevance 9/10, depth 7/10", None),
    ("The probability is 3/10, as the answer says.", None),
    ("I would give it a 7 out of 10; a rating of 10 out of 10 would need sources.", None),
    ("I rate it 80 out of 100.", None),
    ("It cannot get a rating of 10.", None),
    ("I would not give it 8/10 for that.", None),
    ("Ich gebe dafür keine 10 von 10.", None),
    ("A score of 10 would require that the code runs.", None),
    ("Ich vergebe 12 von 10 Punkten.", None),
]
PREFERENCES: list[tuple[str, str | None]] = [
    ("Assistant A gives more detail and is correct. [[A]]", "A"),
    ("**Final verdict: [[B]]**", "B"),
    ("Endgültiges Urteil: [[A]]", "A"),
    ("Beide Antworten sind gleich gut. Urteil: [[C]]", "tie"),
    ("Beide Antworten sind unbrauchbar. [[D]]", "both_bad"),
    ("Mein Urteil: Assistent B ist besser. [[B]]", "B"),
    ("Urteil: B", "B"),
    ("Verdict final : [[A]]", "A"),
    ("Les deux réponses se valent. Verdict : égalité", "tie"),
    ("Verdict : l'assistant A", "A"),
    ("Verdetto finale: [[B]]", "B"),
    ("Veredicto final: [[A]]", "A"),
    ("Veredicto: empate", "tie"),
    ("Veredito final: [[B]]", "B"),
    ("Eindoordeel: [[A]]", "A"),
    ("Werdykt końcowy: [[B]]", "B"),
    ("Окончательный вердикт: [[A]]", "A"),
    ("Вердикт: [[А]]", "A"),
    ("最终判断：[[B]]", "B"),
    ("最终结论：[[C]]", "tie"),
    ("最終判定：[[A]]", "A"),
    ("최종 판정: [[B]]", "B"),
    ("الحكم النهائي: [[A]]", "A"),
    ("अंतिम निर्णय: [[B]]", "B"),
    ("Son karar: [[A]]", "A"),
    ("Phán quyết cuối cùng: [[B]]", "B"),
    ("Both are bad. Output (a)", None),
    ("Output (a)", "A"),
    ("Output (b) is better because it follows the instruction.", "B"),
    ("A", "A"),
    ("**B**", "B"),
    ("Tie", "tie"),
    ("C", "tie"),
    ("If A were shorter I'd say [[B]], but final verdict: [[A]]", "A"),
    ("[[A]] or [[B]]? Hard to say.", None),
    ('"[[A]]" if assistant A is better, "[[B]]" if assistant B is better.', None),
    ("My choice: Assistant A.", "A"),
    ("Winner: Assistant B", "B"),
    ("The better assistant is A.", "A"),
    ("I prefer Assistant A's answer.", "A"),
    ("Verdict: neither", None),
]


@pytest.mark.parametrize(("text", "right"), RATINGS)
def test_grade(text: str, right: float | None) -> None:
    read = parse_rating(text)
    assert read.value == right
    assert (read.reason is None) == (right is not None)


@pytest.mark.parametrize(("text", "right"), PREFERENCES)
def test_preference(text: str, right: str | None) -> None:
    assert parse_preference(text).value == right


@pytest.mark.parametrize("piece", ["score of ", "rate 7 ", "7 / ", "1 ", "give "])
def test_a_long_reply_without_a_verdict_costs_no_time(piece: str) -> None:
    start = time.process_time()
    assert parse_rating(piece * (300_000 // len(piece))).value is None
    assert time.process_time() - start < 60  # quadratic work would take hours
