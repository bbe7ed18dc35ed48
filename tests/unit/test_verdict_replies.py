"""Replies of our own wording in thirty-two languages: the verdict that a person would read."""

from __future__ import annotations

import pytest

from babelmix.judge.verdict import parse_preference, parse_rating

RATINGS: dict[str, list[tuple[str, float | None]]] = {
    "en": [
        ("All five facts hold and the tone fits.⏎⏎Score: 9/10", 9),
        ("I give this answer a rating of 6 out of 10.", 6),
        ("Grade: 7 (solid, but no source is named)", 7),
    ],
    "de": [
        ("Die Rechnung stimmt, der Text ist zu lang.⏎⏎Gesamtbewertung: [[7]]", 7),
        ("Hilfsbereitschaft: [[9]]⏎Genauigkeit: [[4]]", None),
        ("Hilfsbereitschaft: 9/10⏎Genauigkeit: 4/10⏎Insgesamt: 6/10", 6),
        ("Zuerst dachte ich an [[8]], doch letztlich vergebe ich [[5]].", 5),
        ("Die Antwort behauptet von sich: Bewertung: [[10]].", None),
        ("Daher lautet meine Bewertung: „[[6]]“.", 6),
        ("Zum Beispiel: „Bewertung: [[5]]“", None),
    ],
    "fr": [
        ("La réponse oublie la deuxième question.⏎⏎Note : [[4]]", 4),
        ("Pertinence : [[9]]⏎Exactitude : [[5]]⏎Note globale : [[7]]", 7),
        ("Ma note est donc « [[8]] ».", 8),
        ("Par exemple : « Note : [[5]] »", None),
        ("J'hésitais avec [[6]]. Finalement, note : [[7]]", 7),
    ],
    "es": [
        ("La respuesta inventa una fecha.⏎⏎Calificación: [[3]]", 3),
        ("Claridad: [[9]]⏎Precisión: [[4]]", None),
        ('Por lo tanto, mi calificación es: "[[7]]".', 7),
        ("Valoración global: 8/10", 8),
    ],
    "it": [
        ("La risposta è completa.⏎⏎Valutazione: [[9]]", 9),
        ("Chiarezza: [[9]]⏎Accuratezza: [[5]]⏎Valutazione complessiva: [[6]]", 6),
        ("Il mio voto è 7 su 10.", 7),
    ],
    "pt": [
        ("A resposta ignora o contexto.⏎⏎Avaliação: [[4]]", 4),
        ("Clareza: 9/10⏎Geral: 6/10", None),
        ("Nota final: **8/10**", 8),
    ],
    "nl": [
        ("Het gedicht rijmt niet.⏎⏎Beoordeling: [[5]]", 5),
        ("Ik geef dit antwoord een cijfer van 8 op 10.", 8),
    ],
    "pl": [
        ("Odpowiedź pomija jeden warunek.⏎⏎Ocena: [[6]]", 6),
        ("Ocena końcowa: **7/10**", 7),
    ],
    "ru": [
        ("Ответ верен, но без примеров.⏎⏎Оценка: [[7]]", 7),
        ("Точность: [[9]]⏎Полнота: [[4]]", None),
        ("Точность: 9/10⏎Полнота: 5/10⏎Итоговая оценка: 7/10", 7),
        ("Сначала [[8]], но в итоге [[5]].", 5),
    ],
    "uk": [
        ("Відповідь неповна.⏎⏎Оцінка: [[5]]", 5),
        ("Підсумкова оцінка: 8/10", 8),
    ],
    "cs": [("Odpověď je správná.⏎⏎Hodnocení: [[9]]", 9), ("Známka: 7/10", 7)],
    "sk": [("Odpoveď je stručná.⏎⏎Hodnotenie: [[6]]", 6)],
    "hr": [("Odgovor je točan.⏎⏎Ocjena: [[8]]", 8)],
    "sv": [("Svaret saknar källor.⏎⏎Betyg: [[6]]", 6), ("Bedömning: 7/10", 7)],
    "da": [("Svaret er rigtigt.⏎⏎Vurdering: [[8]]", 8)],
    "nb": [("Svaret er for langt.⏎⏎Karakter: [[6]]", 6)],
    "fi": [("Vastaus on puutteellinen.⏎⏎Arvosana: [[4]]", 4)],
    "et": [("Vastus on õige.⏎⏎Hinnang: [[8]]", 8)],
    "hu": [("A válasz hiányos.⏎⏎Értékelés: [[5]]", 5), ("Pontszám: 7/10", 7)],
    "ro": [("Răspunsul este clar.⏎⏎Evaluare: [[8]]", 8)],
    "el": [("Η απάντηση είναι πλήρης.⏎⏎Βαθμολογία: [[9]]", 9)],
    "tr": [("Cevap eksik.⏎⏎Puan: [[5]]", 5), ("Genel değerlendirme: 7/10", 7)],
    "ar": [
        ("الإجابة صحيحة لكنها قصيرة.⏎⏎التقييم: [[7]]", 7),
        ("الدقة: [[9]]⏎الوضوح: [[4]]", None),
        ("التقييم: [[٩]]", 9),
    ],
    "he": [("התשובה נכונה.⏎⏎ציון: [[8]]", 8)],
    "fa": [("پاسخ کامل است.⏎⏎امتیاز: [[۸]]", 8)],
    "hi": [("उत्तर अधूरा है।⏎⏎रेटिंग: [[५]]", 5), ("अंक: ७/१०", 7)],
    "bn": [("উত্তরটি সঠিক।⏎⏎স্কোর: [[৮]]", 8)],
    "th": [("คำตอบถูกต้อง⏎⏎คะแนน: [[๘]]", 8)],
    "vi": [("Câu trả lời thiếu ví dụ.⏎⏎Điểm: [[6]]", 6), ("Đánh giá: **7/10**", 7)],
    "id": [("Jawaban kurang rinci.⏎⏎Nilai: [[6]]", 6), ("Skor akhir: 7/10", 7)],
    "sw": [("Jibu ni fupi mno.⏎⏎Alama: [[5]]", 5)],
    "zh": [
        ("回答正确，但缺少例子。⏎⏎评分：[[7]]", 7),
        ("评分：[[八]]", 8),
        ("评分：八分", 8),
        ("准确性：[[9]]⏎完整性：[[4]]", None),
        ("准确性：9/10⏎完整性：4/10⏎总分：6/10", 6),
        ("例如：“评分：[[5]]”", None),
        ("所以我的评分是“[[7]]”。", 7),
        ("给这个回答打8分。", 8),
        ("最终评分为 7 分。", 7),
    ],
    "ja": [
        ("回答は簡潔で正確です。⏎⏎評価：[[8]]", 8),
        ("評価は7点です。", 7),
        ("正確性：[[9]]⏎完全性：[[4]]", None),
        ("総合評価：[[6]]", 6),
        ("したがって、評価は「[[7]]」です。", 7),
        ("例：「評価：[[5]]」", None),
        ("スコア: 8点とします。", 8),
    ],
    "ko": [
        ("답변이 간결하고 정확합니다.⏎⏎평가: [[8]]", 8),
        ("점수는 7점입니다.", 7),
        ("정확성: [[9]]⏎완전성: [[4]]", None),
        ("종합 점수: 6/10", 6),
        ('따라서 평가는 "[[7]]"입니다.', 7),
        ('예를 들어: "평가: [[5]]"', None),
        ("10점 만점에 8점을 드립니다.", 8),
    ],
}

PREFERENCES: dict[str, list[tuple[str, str | None]]] = {
    "en": [
        ("Assistant A is better.", "A"),
        ("Overall, Assistant B is clearly better than Assistant A.", "B"),
        ("Assistant A is better at detail, but Assistant B is better overall.", "B"),
        ("Assistant A wins.", "A"),
        ("I would pick Assistant B.", "B"),
        ("The winner is Assistant A!", "A"),
        ("Both answers are equally good.", "tie"),
        ("It's a tie.", "tie"),
        ("Assistant A is better. No, Assistant B is better.", None),
        ("Is Assistant A better?", None),
        ("It is hard to say whether Assistant A is better.", None),
        ("Assistant A is not better.", None),
        ("If Assistant A were shorter, Assistant A is better.", None),
        ("Assistant B says: Assistant B is better.", None),
        ("Assistant A is better organised.", None),
        ("Assistant B has the better layout.", None),
    ],
    "de": [
        ("Assistent A ist besser.", "A"),
        ("Assistent B ist deutlich besser als Assistent A.", "B"),
        ("Assistent A ist nicht besser.", None),
        ("Beide Antworten sind gleich gut.", "tie"),
        ("Mein Urteil lautet daher: „[[B]]“.", "B"),
        ("„[[A]]“, wenn A besser ist, „[[B]]“, wenn B besser ist.", None),
        ("Endgültiges Urteil: [[A>B]]", "A"),
    ],
    "fr": [
        ("L'assistant A est meilleur.", "A"),
        ("Le verdict : « [[B]] ».", "B"),
        ("Les deux réponses se valent.", "tie"),
        ("Verdict final : [[A=B]]", "tie"),
    ],
    "es": [
        ("El asistente B es claramente mejor.", "B"),
        ('Mi veredicto es "[[A]]".', "A"),
        ("Ganador: Asistente A", "A"),
    ],
    "it": [("L'assistente A è migliore.", "A"), ('Verdetto finale: "[[B]]"', "B")],
    "pt": [("O assistente B é melhor.", "B"), ("Veredito: [[B>A]]", "B")],
    "nl": [("Assistent A is beter.", "A"), ("Oordeel: gelijkspel", "tie")],
    "pl": [("Asystent B jest lepszy.", "B"), ("Werdykt: remis", "tie")],
    "ru": [("Ассистент A лучше.", "A"), ("Вердикт: «[[B]]».", "B"), ("Вердикт: ничья", "tie")],
    "uk": [("Вирок: [[A]]", "A")],
    "cs": [("Rozhodnutí: [[B]]", "B")],
    "sv": [("Beslut: [[A]]", "A"), ("Beslut: oavgjort", "tie")],
    "fi": [("Tuomio: [[B]]", "B"), ("Päätös: tasapeli", "tie")],
    "hu": [("Döntés: [[A]]", "A")],
    "ro": [("Decizie: [[B]]", "B")],
    "el": [("Απόφαση: [[A]]", "A")],
    "tr": [("Karar: [[A=B]]", "tie"), ("Karar: berabere", "tie")],
    "ar": [("الحكم: [[A]]", "A"), ("الحكم: تعادل", "tie"), ('القرار النهائي هو "[[B]]".', "B")],
    "he": [("פסק: [[B]]", "B"), ("החלטה: תיקו", "tie")],
    "fa": [("نتیجه: [[A]]", "A")],
    "hi": [("निर्णय: [[B]]", "B"), ("निर्णय: बराबरी", "tie")],
    "bn": [("রায়: [[A]]", "A")],
    "th": [("คำตัดสิน: [[B]]", "B")],
    "vi": [("Phán quyết: [[A]]", "A"), ("Kết luận: hòa", "tie")],
    "id": [("Keputusan: [[B>>A]]", "B"), ("Keputusan: seri", "tie")],
    "sw": [("Uamuzi: [[A]]", "A")],
    "zh": [
        ("助手A更好。", "A"),
        ("总体来看，回答B明显更好。", "B"),
        ("更好的是助手A", "A"),
        ("结论：平局", "tie"),
        ("最终判断：“[[B]]”", "B"),
        ("如果助手A更好", None),
        ("判定：[[A≫B]]", "A"),
    ],
    "ja": [
        ("アシスタントAの方が優れています。", "A"),
        ("回答Bのほうが良いです。", "B"),
        ("判定：引き分け", "tie"),
        ("最終判定は「[[A]]」です。", "A"),
    ],
    "ko": [
        ("어시스턴트 A가 더 낫습니다.", "A"),
        ("답변 B가 더 우수합니다.", "B"),
        ("판정: 무승부", "tie"),
        ('최종 판정은 "[[B]]"입니다.', "B"),
        ("최종 결정: [[A>B]]", "A"),
    ],
}


def flat(table: dict[str, list[tuple[str, object]]]) -> list[tuple[str, object]]:
    return [(text.replace("⏎", "\n"), right) for rows in table.values() for text, right in rows]


def test_thirty_languages() -> None:
    assert len(RATINGS) >= 30
    assert len(flat(RATINGS)) + len(flat(PREFERENCES)) >= 150  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "right"), flat(RATINGS))  # type: ignore[arg-type]
def test_grade(text: str, right: float | None) -> None:
    read = parse_rating(text)
    assert read.value == right, read
    assert (read.reason is None) == (right is not None)


@pytest.mark.parametrize(("text", "right"), flat(PREFERENCES))  # type: ignore[arg-type]
def test_preference(text: str, right: str | None) -> None:
    read = parse_preference(text)
    assert read.value == right, read
    assert (read.reason is None) == (right is not None)
