"""The words that announce a verdict, in the languages that judges answer in."""

from __future__ import annotations

import re

from .normalise import fold

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
    "verdict decision choice judgement judgment winner preference final answer preferred "
    "better response better answer better assistant preferred response preferred answer "
    "urteil entscheidung endurteil gewinner "
    "verdict décision choix jugement "
    "verdetto decisione scelta giudizio "
    "veredicto decisión elección juicio "
    "veredito decisão oordeel werdykt verdikt вердикт решение вирок "
    "الحكم القرار פסק הכרעה החלטה निर्णय फैसला 裁决 判断 结论 判定 판정 결정 "
    "tuomio päätös otsus uamuzi karar beslut dom "
    "ganador vencedor vincitore gagnant préférence preferencia preferência preferenza keuze "
    "winnaar wybór zwycięzca победитель выбор переможець výběr vítěz rozhodnutí "
    "hotărâre decizie döntés ítélet απόφαση ετυμηγορία valinta avgörande avgjørelse afgørelse "
    "kết luận phán quyết keputusan pemenang putusan คำตัดสิน ข้อสรุป রায় সিদ্ধান্ত داوری نتیجه "
    "選択 选择 選擇 勝者 胜者 结果 結果 승자 선택 결론 veredicte decisió"
)
#: Words that make a label the label of the whole: "Overall: 6/10", "最终评分".
_OVERALLS = (
    "overall final total gesamt insgesamt abschließend endgültig endgültige endgültiges "
    "global globale finale generale complessivo complessiva finalmente totale général générale "
    "general totaal eindcijfer algemeen ogółem końcowa łącznie celkově celkem итог итого "
    "итоговая итоговый общая загалом підсумкова الإجمالي الإجمالية النهائي النهائية "
    "综合 总体 总分 最终 總分 最終 総合 総評 全体 종합 총점 최종 전체 कुल समग्र अंतिम "
    "kokonaisuutena yleisarvosana kokonaisarvosana genel toplam samlet totalt összesített "
    "összpontszám "
    "συνολικά tổng keseluruhan akhir jumla mwisho รวม โดยรวม সামগ্রিক مجموع نهایی סופי כולל"
)
#: Criteria that judges grade one by one; such a grade is not the grade of the answer.
_CRITERIA = (
    "helpfulness accuracy relevance relevancy depth creativity detail details coherence "
    "correctness completeness clarity conciseness safety verbosity complexity fluency "
    "harmlessness honesty truthfulness factuality consistency style tone formatting format "
    "structure grammar language engagement engagingness naturalness understandability "
    "groundedness faithfulness originality usefulness informativeness readability "
    "instruction-following thoroughness confidence logic reasoning safety organization "
    "hilfsbereitschaft genauigkeit relevanz tiefe kreativität kohärenz korrektheit "
    "vollständigkeit klarheit prägnanz verständlichkeit stil nützlichkeit sicherheit "
    "utilité exactitude précision pertinence profondeur créativité cohérence complétude clarté "
    "concision style fluidité "
    "utilidad exactitud precisión relevancia profundidad creatividad coherencia claridad "
    "integridad corrección estilo "
    "utilità accuratezza pertinenza rilevanza profondità creatività coerenza correttezza "
    "completezza chiarezza stile "
    "utilidade exatidão precisão relevância profundidade criatividade coerência clareza "
    "completude correção "
    "nauwkeurigheid relevantie diepgang creativiteit volledigheid duidelijkheid "
    "dokładność trafność głębia kreatywność kompletność jasność spójność "
    "полезность точность релевантность глубина креативность полнота ясность связность "
    "corectitudine relevanță claritate doğruluk alaka derinlik yaratıcılık açıklık yararlılık "
    "hjälpsamhet noggrannhet relevans tydlighet nøyaktighet nøjagtighed hyödyllisyys tarkkuus "
    "selkeys "
    "有用性 准确性 相关性 深度 创造性 详细程度 清晰度 完整性 事实正确性 满足用户需求 逻辑连贯性 "
    "流畅性 連貫性 安全性 正確性 正确性 関連性 深さ 創造性 詳細さ 明確さ 明瞭さ "
    "完全性 流暢さ 簡潔さ "
    "유용성 정확성 관련성 깊이 창의성 상세함 명확성 완전성 일관성 유창성 도움 "
    "الدقة الفائدة الصلة العمق الوضوح الإبداع उपयोगिता सटीकता प्रासंगिकता गहराई स्पष्टता "
    "độ chính xác tính hữu ích akurasi relevansi kejelasan kedalaman kegunaan usahihi"
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
_MULTI_WORD = {
    *("final answer", "better response", "better answer", "better assistant"),
    *("preferred response", "preferred answer"),
    *("đánh giá", "kết luận", "phán quyết", "độ chính xác", "tính hữu ích"),
}


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
OVERALLS = _alternatives(_OVERALLS)
CRITERIA = _alternatives(_CRITERIA)
