"""Grades and preferences that a sentence gives: "I would rate this 7 out of 10", "A is better".

Believed only where nothing clearer stands in the text, where a word of grading comes before it in
the same sentence and nothing that denies it, and where no other grade on the same scale stands
anywhere in the text.
"""

from __future__ import annotations

import re

from .cues import CLAIMED, QUOTES, sentence_before
from .labels import RATING_LABELS
from .normalise import fold


def _jamo(words: str) -> str:
    """Alternatives of words, folded (a Korean syllable becomes its letters)."""
    return "(?:" + "|".join(fold(word) for word in words.split()) + ")"


#: What stands between a grade and its scale's end, and the units of grades (folded, as all is).
OUT_OF = r"(?:/|out of|von|sur|su|de|di|sobre|auf|op|na|of|из|з|من)"
UNITS = (
    r"(?:points?|punkten?|punti|puntos?|pontos?|punten|punkty?|punktow|poang|балл(?:ов|а)?"
    + "".join(f"|{fold(unit)}" for unit in "点分점")
    + ")"
)
GRADING = (
    r"\b(?:rate|rated|grade|give|gave|bewerte|benote|vergebe|gebe|attribue|donne|donnerais|"
    r"assegno|assegnerei|darei|doy|daria|dou|atribuo|geef|oceniam|daje|ставлю|оцениваю)\b"
)
_N = r"(?<![\d.,/])(?P<number>\d{1,3}(?:[.,]\d{1,2})?)"
_FRACTION = rf"{_N}[ \t]*(?:{UNITS}[ \t]*)?{OUT_OF}[ \t]*(?P<of>\d{{1,3}})(?![\d/%]|[.,]\d)"
_FORMS = tuple(
    re.compile(form)
    for form in (
        rf"(?:{RATING_LABELS}|{GRADING})[^\d\n.!?;]{{0,40}}{_FRACTION}",
        rf"{_FRACTION}[ \t]+{UNITS}\b",
        rf"{_N}[ \t]*{UNITS}[ \t]+{OUT_OF}[ \t]*(?P<of>\d{{1,3}})(?![\d/%]|[.,]\d)",
        # "I give it a score of 8." and no more in that sentence
        rf"{GRADING}[^\d\n.!?;]{{0,40}}(?:{RATING_LABELS})[ \t]+(?:of|von|de|di)[ \t]+{_N}(?P<of>)"
        r"(?=[ \t]*(?:[.!](?!\d)|\n|$))",
        r"(?P<of>\d{1,3})[ \t]*[点分](?:満点|满分)?中[ \t]*(?P<number>\d{1,3})[ \t]*[点分]",
        rf"(?P<of>\d{{1,3}})[ \t]*{_jamo('점')}[ \t]{{0,2}}{_jamo('만점')}"
        rf"{_jamo('에서 에 중')}?[ \t]*(?P<number>\d{{1,3}}(?:\.\d)?)[ \t]*{_jamo('점')}",
        r"打[ \t了个]{0,3}(?P<number>\d{1,3}(?:\.\d)?)[ \t]*分(?P<of>)",
    )
)
_SENTENCE_END = re.compile(r"[.!?;\n]")
_NEGATED = re.compile(
    r"\b(?:not|cannot|never|nicht|kein\w*|pas|no|non|nao|niet|geen|nie|не|нельзя)\b|n['’]t\b"
)
_ANY_FRACTION = re.compile(_FRACTION)


#: Not the judge but the judged text, or its user, gives a grade.
_BY_OTHERS = re.compile(
    r"\b(?:assistant|answer|response|user|text|model|he|she|they)\b[^.!?\n]{0,30}?"
    r"\b(?:gave|gives|rates|awarded|awards)\b"
)


#: The line above somebody else's words: "The assistant wrote:", "It rated the film as follows:".
_INTRODUCED = re.compile(
    r"\b(?:assistant|answer|response|user|model|he|she|they|it)(?: [ab])?[ \t]"
    r"(?:also |then |itself |simply |only )?"
    r"(?:rated|wrote|writes|returned|returns|printed|prints|replied|replies|answered|answers|"
    r"responded|responds|said|says|gave|gives|produced|produces)\b"
    r"(?:[^:.!?\n]{0,40}\b(?:as follows|the following|with|this))?"
    r"(?:[ \t](?:a |the )?(?:json|yaml|object|line|text|output|code|review))?[ \t]?[:：]$"
)
#: Before "score of 9/10" in a sentence: a thing has that score, the judge does not give it.
_HAS = re.compile(
    r"\b(?:has|have|had|holds|holding|with|carries|'s)[ \t]+(?:an?[ \t]+|the[ \t]+)?$"
)
_JUDGED = re.compile(r"\b(?:answer|response|assistant|i|we)\b")


def is_of_others(text: str, position: int) -> bool:
    """Tell whether the line above introduces somebody else's words: "The assistant wrote:"."""
    above = text[max(0, position - 160) : position].rstrip(" \t\n>`" + QUOTES)
    above = above.removesuffix("json").rstrip(" \t\n>`" + QUOTES)
    return _INTRODUCED.search(above) is not None


def is_had_by_a_thing(text: str, position: int) -> bool:
    """Tell whether the sentence up to a label says that something has that score."""
    before = sentence_before(text, position)
    return _HAS.search(before) is not None and not _JUDGED.search(before)


def spoken_grades(text: str) -> list[tuple[str, str, int, int]]:
    """(grade, end of its scale or nothing, start, end) of each grade in a folded text's sentences.

    If there is any, other fractions of the same scale in the text are among them.
    """
    found = [
        _grade(match)
        for form in _FORMS
        for match in form.finditer(text)
        if not _is_negated(text, match)
        and not is_of_others(text, match.start())
        and not is_had_by_a_thing(text, match.start())
        and not CLAIMED.search(text[max(0, match.start() - 60) : match.start()])
        and not _BY_OTHERS.search(
            sentence_before(text, match.start(), 80) + text[match.start() : match.start("number")]
        )
    ]
    ends = {end for _, end, *_ in found if end}
    others = [_grade(match) for match in _ANY_FRACTION.finditer(text)] if ends else []
    return list(dict.fromkeys(found + [grade for grade in others if grade[1] in ends]))


def _grade(match: re.Match[str]) -> tuple[str, str, int, int]:
    return match["number"].replace(",", "."), match["of"] or "", *match.span()


def _is_negated(text: str, match: re.Match[str]) -> bool:
    """Whether the sentence says no before it comes to the grade."""
    before = _SENTENCE_END.split(text[max(0, match.start() - 60) : match.start("number")])[-1]
    return _NEGATED.search(before) is not None


_NAME = (
    r"(?:(?:ai[ \t])?(?:assistants?|assistente?n?|asistente|assistente|asystent\w*|ассистент\w*|"
    r"answers?|antwort|responses?|reponse|risposta|respuesta|resposta|odpowiedz|ответ\w*|outputs?|"
    r"models?|modell|modele|modelo|modello|option)(?:'s)?[ \t]{1,2}(?:de[ \t]|von[ \t])?)"
)
_PICK = r"\(?(?P<pick>[ab])\)?(?:'s(?:[ \t](?:answer|response))?)?"
_MUCH = (
    r"significantly|much|clearly|far|considerably|substantially|definitely|deutlich|klar|weit|viel|"
    r"nettement|bien|clairement|mucho|claramente|muito|nettamente|molto|chiaramente|"
    r"duidelijk|veel|znacznie|zdecydowanie|значительно|гораздо|явно|намного"
)
_LITTLE = (
    r"slightly|marginally|somewhat|a bit|a little|etwas|leicht|ein wenig|legerement|un peu|"
    r"ligeramente|un poco|algo|ligeiramente|um pouco|leggermente|un po'|iets|een beetje|nieco|"
    r"troche|немного|чуть|несколько"
)
_HOW = (
    rf"(?:(?P<much>{_MUCH})|(?P<little>{_LITTLE})|overall|also|the|la|le|die|der|das|el|il|de|o|a)"
)
_IS = r"(?:is|was|ist|war|est|es|e|jest|provides the|gives the|gave the|offers the|liefert die)"
_BETTER = (
    r"(?:better|best|superior|stronger|preferable|preferred|winner|clear winner|better one|"
    r"better answer|better response|besser|beste|bessere|bessere antwort|uberlegen|meilleure?|"
    r"superieure?|preferable|mejor|superior|melhor|migliore|superiore|beter|betere|lepsz[ya])"
)
_WINS = (
    r"(?:wins|won|gewinnt|gana|gagne|l'emporte|vince|vence|wint|wygrywa|побеждает|выигрывает|лучше)"
)
# What may follow, so that it is no judgement on one point ("better at detail", "better organised").
_WHOLE = (
    r"(?=[ \t]{0,2}(?:$|[\n.!;,:)。，]|\((?:because|overall)|(?:one|answer|response|choice|"
    r"overall|than|because|since|as|here|due|weil|da|als|denn|insgesamt|parce|car|que|porque|"
    r"ya que|perche|poiche|di|rispetto|dell|do que|dan|omdat|niz|poniewaz|bo|чем|потому)\b))"
)


_ASIAN_HOW = (
    rf"(?:(?P<much>明显|显著|远远|{_jamo('明らかに はるかに 훨씬 확실히')})|"
    rf"(?P<little>略微|稍微|略|稍|{_jamo('やや わずかに 少し 약간 조금')}))?"
)
_CHINESE_NAME = _jamo("助手 回答 答案 模型 助理")
_JAPANESE_NAME = _jamo("アシスタント 回答 モデル")
_KOREAN_NAME = _jamo("어시스턴트 답변 모델 응답 비서")
_PREFERRED = tuple(
    re.compile(form)
    for form in (
        rf"\b{_NAME}{_PICK.replace('[ab]', '[ab12]')}[ \t]{{1,2}}"
        rf"(?:{_IS}[ \t]{{1,2}}(?:{_HOW}[ \t]{{1,2}}){{0,3}}{_BETTER}|{_WINS}){_WHOLE}",
        r"\b(?:i|we)[ \t](?:(?:would|clearly|slightly|strongly|therefore|thus)[ \t]){0,2}"
        r"(?:prefer|choose|pick|favou?r|select|vote for|go with)[ \t](?:the[ \t])?"
        rf"{_NAME}?{_PICK}{_WHOLE}",
        r"\b(?:better|best|stronger|superior|winning)[ \t]"
        rf"(?:one|answer|response|assistant|model|output)[ \t]is[ \t](?:{_NAME})?{_PICK}{_WHOLE}",
        rf"\b(?:winner|better one)[ \t]is[ \t](?:{_NAME})?{_PICK}{_WHOLE}",
        # "A比B更好": the first is meant
        rf"{_CHINESE_NAME}[ \t]{{0,2}}{_PICK}[ \t]{{0,2}}(?:的回答|的答案|的回复)?[ \t]?比"
        rf"{_CHINESE_NAME}?[ \t]{{0,2}}[ab][ \t]{{0,2}}(?:的回答|的答案|的回复|的)?[ \t]?"
        rf"{_ASIAN_HOW}(?:更好|更优|更佳|好|优)(?=[\s。，！.!,;；]|$)",
        rf"(?<!比){_CHINESE_NAME}[ \t]{{0,2}}{_PICK}[ \t]{{0,2}}(?:的回答|的答案|的回复)?"
        rf"(?:总体上|整体上|总体|整体)?{_ASIAN_HOW}"
        r"(?:更好|更优|更佳|更胜一筹|胜出|获胜|较好|较优)(?=[\s。，！.!,;；]|$)",
        r"(?:更好|更优|更佳|胜出|获胜)的(?:回答|答案|助手|模型)?是"
        rf"{_CHINESE_NAME}?[ \t]{{0,2}}{_PICK}",
        rf"{_JAPANESE_NAME}[ \t]{{0,2}}{_PICK}[ \t]{{0,2}}の?{_jamo('回答 ほう 方')}?の?"
        rf"{_jamo('方 ほう')}?{_jamo('が は')}{_ASIAN_HOW}{_jamo('より')}?"
        + _jamo("優れて 良い よい 勝って 良かった"),
        rf"{_KOREAN_NAME}[ \t]{{0,2}}{_PICK}(?:{_jamo('의')}[ \t]{_jamo('답변')})?"
        rf"{_jamo('가 이 은 는')}[ \t]{_ASIAN_HOW}[ \t]?(?:{_jamo('더')}[ \t])?"
        + _jamo("낫 나은 우수 좋 뛰어 나았"),
    )
)
_EVEN = re.compile(
    r"\b(?:it'?s|it is|this is|the result is|i call it|i declare)[ \t]"
    r"(?:a[ \t])?(?:clear[ \t])?(?:tie|draw)\b"
    r"|\bboth[ \t]\w{0,12}[ \t]?(?:are|were)[ \t]"
    r"(?:equally good|equally helpful|equal|tied|of equal quality)"
    r"(?=[ \t]*(?:[.!;\n]|$))"
    r"|\bbeide[ \t]\w{0,12}[ \t]?sind[ \t](?:gleich gut|gleichwertig)(?=[ \t]*(?:[.!;\n]|$))"
    r"|\bles deux[ \t]\w{0,12}[ \t]?se valent\b"
    r"|\b(?:ambas|entrambe|as duas)[ \t]\w{0,12}[ \t]?(?:son|sono|sao)[ \t]"
    r"(?:igual de buenas|equivalent[ei]s?|igualmente \w{4,8})(?=[ \t]*(?:[.!;\n]|$))"
    r"|(?:两者|二者|两个回答)(?:打平|不分上下|不相上下|平手)"
)
_DOUBTED = re.compile(
    r"\b(?:if|whether|unless|might|may|could|would be|neither|nor|some|one can|although|"
    r"though|wenn|ob|falls|konnte|weder|si|peut-etre|aunque|forse|sebbene|если|ли|se|als|indien|"
    r"jesli|czy|gdy|quando|cuando|when|daca|om|hvis|jos|ha|eger|neu|kalau|jika|"
    r"apabila|should)\b|如果|若|是否|もし"
)


def spoken_preferences(text: str) -> list[tuple[str, str | None, int, int]]:
    """Return (``A``, ``B`` or ``tie``; strength; start; end) of each preference in a sentence.

    Sentences that deny, doubt or ask are left aside, and so is what the judged text claims.
    """
    meant: list[re.Match[str]] = []
    denied: list[re.Match[str]] = []
    for form in _PREFERRED:
        for match in form.finditer(text):
            (meant if _is_meant(text, match) else denied).append(match)
    found = [(_picked(match), _strength(match), *match.span()) for match in meant]
    found += [("tie", None, *m.span()) for m in _EVEN.finditer(text) if _is_meant(text, m)]
    if found:  # a sentence that is denied or doubted still tells against another one
        found = [(_picked(match), None, *match.span()) for match in denied] + found
    return found


def _picked(match: re.Match[str]) -> str:
    return {"1": "A", "2": "B"}.get(match["pick"], match["pick"].upper())


def _strength(match: re.Match[str]) -> str | None:
    words = match.groupdict()
    if words.get("much"):
        return "significant"
    return "slight" if words.get("little") else None


def _is_meant(text: str, match: re.Match[str]) -> bool:
    before = sentence_before(text, match.start(), 100)
    rest = text[match.end() : match.end() + 100]
    asked = re.match(r"[^.!?\n]{0,100}\?", rest) is not None
    return not (
        asked
        or _NEGATED.search(before + match[0])
        or _DOUBTED.search(before)
        or CLAIMED.search(text[max(0, match.start() - 60) : match.start()])
    )
