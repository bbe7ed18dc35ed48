"""Checks of what language a translation is in, and whether it is one at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .. import langid
from ..code_lines import code_names
from ..langid.scripts import may_be_in
from ..records import Check
from .pair import Pair
from .texts import Text, words

Pairs = Sequence[tuple[Text, Text]]

#: A wrong language must be this probable; more than for an answer: a row is thrown away.
_SURE_OF_LANGUAGE = 0.8
#: So many new words in small letters, half of all, are sentences in Latin script.
_ROMANISED_WORDS = 4
#: Opens the detail of a row that is only partly in the declared language.
PARTLY = "partly "
#: A message of this many letters that equals its source was not translated.
_LONG_LETTERS = 40
#: A sentence of this many small-letter words, this share of them the source's own, was copied.
_COPIED_WORDS = 5
_COPIED_SHARE = 0.75
#: At least so many different ones.
_COPIED_KINDS = 3
#: Or this share of them words that only the pivot has.
_MARKER_SHARE = 0.3
#: A message fails when this share of its letters is untranslated.
_UNTRANSLATED_SHARE = 0.1

#: What a chat model says before, or instead of, a translation; the source may say it itself.
_REPLY = re.compile(
    r"""^\W*(?:
        (?:sure|certainly|of\ course|absolutely)\b(?=[!,.:])
      | here(?:['’]s|\ is|\ are)\ (?:the|your|a|my)\b[^.\n]{0,30}(?:translat|version|text)
      | (?:the\ )?translat(?:ion|ed\ text|ed\ version)\b[^.\n]{0,30}:
      | as\ an?\ (?:ai\b|(?:large\ )?language\ model)
      | (?:i['’]?m|i\ am)\ (?:very\ |so\ )?(?:sorry|afraid|unable|not\ able)
      | i\ (?:cannot|can['’]t|can\ not|do\ not|don['’]t)\b
      | (?:natürlich|selbstverständlich|gerne?)\b(?=[!,.:])
      | hier\ (?:ist|sind)\ (?:die|der|eine|deine|ihre)\b[^.\n]{0,30}(?:übersetz|fassung)
      | (?:die\ )?übersetzung\b[^.\n]{0,30}:
      | als\ (?:ki\b|künstliche|sprachmodell|ein\ sprachmodell)
      | (?:es\ tut\ mir|tut\ mir)\ leid | leider\ kann\ ich | ich\ kann\ (?:das|leider|dir)\b
      | (?:bien\ sûr|certainement|absolument|d['’]accord)\b(?=\s?[!,.:])
      | voici\ (?:la|votre|une|le)\b[^.\n]{0,30}tradu | (?:la\ )?traduction\b[^.\n]{0,30}:
      | en\ tant\ qu['’](?:ia|intelligence|assistant) | en\ tant\ que\ modèle
      | (?:je\ suis\ |je\ )?(?:désolée?|regrette) | je\ ne\ peux\ pas
      | (?:certo|certamente|ovviamente|va\ bene)\b(?=[!,.:])
      | ecco\ (?:la|una|il)\b[^.\n]{0,30}tradu[zt] | (?:la\ )?traduzione\b[^.\n]{0,30}:
      | (?:in\ quanto|come)\ (?:ia\b|intelligenza|modello\ ling|assistente\ virt)
      | mi\ dispiace | non\ posso\b
      | (?:claro|por\ supuesto|desde\ luego|con\ gusto)\b(?=[!,.:])
      | aquí\ (?:está|tienes|tiene)\b[^.\n]{0,30}traduc | (?:la\ )?traducción\b[^.\n]{0,30}:
      | como\ (?:ia\b|una\ ia|inteligencia|modelo\ de\ leng)
      | lo\ (?:siento|lamento) | no\ puedo\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)
#: "Translation:" and "Here is the translation:" in languages that ``_REPLY`` has not.
_TRANSLATION_WORDS = (
    r"перевод|переклад|превод|tłumaczenie|překlad|preklad|prijevod|prevod|tradução|traducere|"
    r"traducció|vertaling|översättning|oversettelse|oversættelse|käännös|fordítás|çeviri|"
    r"terjemahan|bản dịch|tafsiri|μετάφραση|תרגום|(?:ال)?ترجم[ةه]|ترجمہ|अनुवाद|भाषांतर|অনুবাদ|"
    r"คำแปล|翻訳|翻译|翻譯|译文|譯文|번역"
)
_HEAD = re.compile(
    rf"^\W*(?:[^\W\d_][^.\n:：。!?！？]{{0,30}}?)??(?:{_TRANSLATION_WORDS})"
    r"(?:[^.\n:：。!?！？]{0,25})[:：]",
    re.IGNORECASE,
)
_OF_TRANSLATION = re.compile(r"translat|\bversion\b", re.IGNORECASE)
_COLON = re.compile(r"[:：][\s*_`]*$")
#: Names in code lines that the source does not have: more than a false alarm has.
_NEW_CODE = 3
_QUESTION = re.compile(r"[?？؟;\u037e][\"'”’»*)_\]\s]*$")
_ANY_QUESTION = re.compile(r"[?？؟\u037e]")


def language_check(pairs: Pairs, pair: Pair) -> Check:
    """The prose of each message long enough to tell is in the target language.

    Value: probability of the language found in the message that fails, or in the last one. Where no
    message's language is certain, the check says that it did not measure.
    """
    lang, pivot = pair.lang, pair.pivot
    if not langid.is_known(lang):
        detail = f"not measured: '{lang}' is unknown to the identifier"
        return Check("language", True, None, detail)
    value: float | None = None
    unsure = False
    for source, target in pairs:
        found = target.language
        verdict = sure_verdict(found, lang)
        if verdict == langid.UNSURE and _is_romanised(source, target, lang):
            return Check("language", False, None, "found Latin script")
        if verdict == langid.UNSURE:
            unsure = unsure or not found.short
            continue
        value = round(found.probability, 4)
        if verdict == langid.RIGHT:
            continue
        of_pivot = langid.compare(found, pivot) == langid.RIGHT
        if not of_pivot and found.languages and source.language.languages == found.languages:
            continue  # a quotation: the source is in that language too
        return Check("language", False, value, f"found {found.name}")
    return _passed(value, unsure)


def _is_romanised(source: Text, target: Text, lang: str) -> bool:
    """Whether sentences stand in Latin script that the language is not written in.

    Words of the source say nothing: names, titles, quotations, terms.
    """
    if target.language.script != "Latn" or may_be_in(langid.identifier_code(lang), "Latn"):
        return False
    new = set(words(target.plain)) - set(words(source.content))
    small = new.intersection(target.plain.split())
    return len(small) >= _ROMANISED_WORDS and 2 * len(small) >= len(set(words(target.plain)))


def own_language_check(texts: Sequence[Text], lang: str) -> Check:
    """Check a row that is nobody's translation: it is in the language that its pool declares.

    It fails where a message is certainly in another language and none is in the declared one. A row
    with messages of both passes (an order to translate), and its detail says so.
    """
    if not langid.is_known(lang):
        detail = f"not measured: '{lang}' is unknown to the identifier"
        return Check("language", True, None, detail)
    found = [text.language for text in texts]
    verdicts = [sure_verdict(one, lang) for one in found]
    wrong = [one for one, v in zip(found, verdicts, strict=True) if v == langid.WRONG]
    if not wrong:
        right = [one for one, v in zip(found, verdicts, strict=True) if v == langid.RIGHT]
        value = round(right[-1].probability, 4) if right else None
        return _passed(value, any(not one.short for one in found))
    value = round(wrong[0].probability, 4)
    if langid.RIGHT in verdicts:
        detail = f"{PARTLY}{wrong[0].name} in {len(wrong)} of {len(texts)} messages"
        return Check("language", True, value, detail)
    return Check("language", False, value, f"found {wrong[0].name}")


def sure_verdict(found: langid.Found, lang: str) -> langid.Verdict:
    """``langid.compare``, but unsure of a wrong language that is not probable enough."""
    verdict = langid.compare(found, lang)
    doubtful = found.languages and found.probability < _SURE_OF_LANGUAGE
    return langid.UNSURE if verdict == langid.WRONG and doubtful else verdict


def _passed(value: float | None, unsure: bool) -> Check:
    if value is not None:
        return Check("language", True, value)
    why = "the language is not certain" if unsure else "too short"
    return Check("language", True, None, f"not measured: {why}")


def untranslated_check(pairs: Pairs, pair: Pair) -> Check:
    """No long message is its source again, nor a good part of it.

    Value: the greatest share of a message's letters in sentences that are the source's own, word
    for word or nearly, or made of words that only the pivot has.
    """
    worst, shown = 0.0, ""
    for source, target in pairs:
        share, example = untranslated_share(source, target, pair)
        if share > worst:
            worst, shown = share, example
    failed = worst >= _UNTRANSLATED_SHARE
    return Check("untranslated", not failed, round(worst, 4), shown[:60] if failed else "")


def untranslated_share(source: Text, target: Text, pair: Pair) -> tuple[float, str]:
    """Share of the letters that was not translated, and the first such sentence."""
    if target.letters < _LONG_LETTERS:
        return 0.0, ""
    if source.content.strip() == target.content.strip():
        return 1.0, target.sentences[0] if target.sentences else ""
    known = frozenset(source.prose.split())
    letters, example = 0, ""
    for sentence in target.sentences:
        if _is_copied(sentence, known) or _is_pivot(sentence, pair):
            letters += langid.count_letters(sentence)
            example = example or sentence
    if letters < _LONG_LETTERS:
        return 0.0, ""
    return letters / target.letters, example


def _is_copied(sentence: str, known: frozenset[str]) -> bool:
    """Whether most small-letter words of a sentence are the source's own."""
    said = sentence.split()
    if len(known.intersection(said)) < _COPIED_KINDS:
        return False  # true of nearly all sentences, and quick to see
    small = [word for word in said if word[:1].islower()]
    copied = sum(word in known for word in small)
    return len(small) >= _COPIED_WORDS and copied >= _COPIED_SHARE * len(small)


def _is_pivot(sentence: str, pair: Pair) -> bool:
    """Whether a good part of a sentence's words are words that only the pivot has."""
    if pair.markers.isdisjoint(sentence.lower().split()):
        return False
    said = words(sentence)
    small = sum(word[:1].islower() for word in sentence.split())
    found = sum(word in pair.markers for word in said)
    return small >= _COPIED_WORDS and found >= _MARKER_SHARE * len(said)


def answered_check(pairs: Pairs, pair: Pair) -> Check:
    """Each message is a translation of its source, not a reply to it or a remark on it.

    Value: messages that are not.
    """
    reasons = [reason for source, target in pairs if (reason := reply_sign(source, target))]
    return Check("answered", not reasons, float(len(reasons)), reasons[0] if reasons else "")


def reply_sign(source: Text, target: Text) -> str:
    """What shows that a text is a reply to its source; empty when nothing does."""
    opening = _REPLY.match(target.prose[:200])
    if opening and not _REPLY.match(source.prose[:200]):
        return f"opens with '{opening.group().strip()[:40]}'"
    heading = _HEAD.match(target.prose[:100])
    colon = re.search("[:：]", source.prose[:100])
    if heading and not colon and not _OF_TRANSLATION.search(source.prose):
        return f"opens with '{heading.group().strip()[:40]}'"
    if _QUESTION.search(source.prose[-40:]) and not _ANY_QUESTION.search(target.prose):
        return "the question is gone"
    if _COLON.search(source.content) and not _COLON.search(target.content):
        return "the closing colon is gone"
    if _has_new_code(source, target):
        return "there is code where the source has none"
    before, after = source.content.count("\n"), target.content.count("\n")
    if after >= 2 * before + 3 and _paragraphs(target) > _paragraphs(source) + 1:
        return f"{after + 1} lines for {before + 1}"
    return ""


def _has_new_code(source: Text, target: Text) -> bool:
    return (
        not source.pieces
        and len(code_names(target.prose)) > _NEW_CODE
        and not code_names(source.prose)
    )


def _paragraphs(text: Text) -> int:
    return sum(bool(line.strip()) for line in text.prose.split("\n"))
