"""The words that announce a verdict, in the languages that judges answer in."""

from __future__ import annotations

import re

from .folding import fold

#: Labels of a grade. Short ones must stand as words of their own.
_RATINGS = (
    "rating score grade mark assessment evaluation points "  # en
    "bewertung note punktzahl punkte wertung benotung gesamtbewertung gesamtnote "  # de
    "endnote abschlussnote "
    "note évaluation notation appréciation "  # fr
    "valutazione punteggio voto giudizio "  # it
    "calificación puntuación valoración nota evaluación puntaje "  # es
    "avaliação pontuação classificação "  # pt
    "beoordeling cijfer waardering "  # nl
    "ocena hodnocení hodnotenie skóre známka ocjena oцена "  # pl cs sk hr sl
    "оценка рейтинг балл оцінка оцена "  # ru uk sr
    "التقييم تقييم الدرجة درجة النتيجة "  # ar
    "ציון דירוג הערכה "  # he
    "रेटिंग मूल्यांकन अंक स्कोर "  # hi
    "评分 得分 分数 评价 評分 打分 評価 評点 スコア 点数 "  # zh ja
    "평가 점수 평점 등급 "  # ko
    "arvosana arvio pisteet pistemäärä hinnang hinne "  # fi et
    "ukadiriaji alama tathmini "  # sw
    "puan değerlendirme betyg bedömning bedømmelse vurdering karakter "  # tr sv da no
    "értékelés pontszám evaluare notă punctaj βαθμολογία "  # hu ro el
    "đánh giá điểm nilai peringkat skor "  # vi id
    "คะแนน রেটিং স্কোর মূল্যায়ন امتیاز نمره ارزیابی "  # th bn fa
    "puntuació valoració qualificació"  # ca
)
#: Labels of a preference.
_VERDICTS = (
    "verdict decision choice judgement judgment winner preference final answer "
    "urteil entscheidung endurteil gewinner "
    "verdict décision choix jugement "
    "verdetto decisione scelta giudizio "
    "veredicto decisión elección juicio "
    "veredito decisão oordeel werdykt verdikt вердикт решение вирок "
    "الحكم القرار פסק הכרעה החלטה निर्णय फैसला 裁决 判断 结论 判定 판정 결정 "
    "tuomio päätös otsus uamuzi karar beslut dom"
)
_CORRECTING = (
    "correction corrected corrigendum revised instead korrektur korrigiert berichtigung "
    "corrigée corrigé rectification correzione corretto rettifica corrección corregido "
    "rectificación correctie korekta oprava исправление תיקון 更正 修正 정정 korjaus parandus"
)
# Scripts without spaces between words: no boundary to ask for.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af]"
)
_MULTI_WORD = {"final answer", "đánh giá"}


def _alternatives(words: str) -> str:
    """A pattern of the folded words, longest first."""
    for phrase in _MULTI_WORD:
        words = words.replace(phrase, phrase.replace(" ", "\u2007"))
    folded = {fold(w.replace("\u2007", " ")) for w in words.split(" ") if w}
    ordered = [re.escape(word) for word in sorted(folded, key=lambda w: (-len(w), w))]
    spaced = "|".join(word for word in ordered if not _UNSPACED.search(word))
    unspaced = "|".join(word for word in ordered if _UNSPACED.search(word))
    # One boundary for all: a scan of a long text then stops at most letters at once.
    return rf"\b(?:{spaced})\b" + (f"|{unspaced}" if unspaced else "")


RATING_LABELS = _alternatives(_RATINGS)
VERDICT_LABELS = _alternatives(_VERDICTS)
CORRECTIONS = _alternatives(_CORRECTING)
