"""Line and word pass of an answer, as the Language Confusion Benchmark publishes them.

Marchisio et al. 2024, "Understanding and Mitigating Language Confusion in LLMs" (arXiv 2406.20052),
with the rules of its script (github.com/for-ai/language-confusion, compute_metrics.py). The means
over answers are its line pass rate and word pass rate. docs/statistics.md lists what differs here.
"""

from __future__ import annotations

import gzip
import re
import string
from functools import cache

from ..langid import base_code, identifier_code
from ..langid.models import fasttext_language
from ..resources import RESOURCES
from .language import Result

#: Lines of fewer tokens are not looked at.
MIN_TOKENS = 5
#: A line's language must be more probable than this; below, the line fails.
_LINE_THRESHOLD = 0.3
#: Word pass is defined for these languages: in Latin script an English word may be one of theirs.
WORD_LANGUAGES = frozenset({"ar", "hi", "ja", "ko", "ru", "zh"})
#: Words of this many small letters or more count.
_WORD_LETTERS = 4
#: Languages written without spaces, where a token is about this many signs (jieba, MeCab: 1.6).
_UNSPACED = frozenset({"ja", "zh"})
_SIGNS_PER_TOKEN = 1.6
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_UNSPACED_RUN = re.compile(r"[\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff]+")

#: Reasons of answers without a value, and of those that fail.
SHORT = "no line of 5 words"
LINE_FAILED = "a line is in another language"
NOT_DEFINED = "not defined for this language"


def line_pass(text: str, lang: str) -> Result:
    """Return 1 when every line of five words or more is in ``lang``, 0 when one is not.

    None for an answer without such a line (an empty one too): the benchmark leaves it out.
    """
    lines = _lines(text, lang)
    if not lines:
        return None, SHORT
    wrong = [line for line in lines if _language(line) != identifier_code(lang)]
    if not wrong:
        return 1.0, None
    return 0.0, f"{_language(wrong[0])} in {len(wrong)} of {len(lines)} lines"


def word_pass(text: str, lang: str, passed: Result) -> Result:
    """Return 0 when a line of an answer whose lines all pass (``passed``) holds an English word.

    None where a line fails, where there is none, and for languages outside ``WORD_LANGUAGES``.
    """
    if base_code(identifier_code(lang)) not in WORD_LANGUAGES:
        return None, NOT_DEFINED
    value, reason = passed
    if value is None:
        return None, reason
    if not value:
        return None, LINE_FAILED
    for line in _lines(text, lang):
        for token in _tokens(line, lang):
            if token in english_words():
                return 0.0, token
    return 1.0, None


def _lines(text: str, lang: str) -> list[str]:
    """Lines of a text that are looked at, without ASCII punctuation."""
    text = text.split("\nQ:")[0].strip()  # what base models write on behalf of the next user
    text = text.translate(_PUNCTUATION).replace("—", " ").replace("،", "")
    return [line for line in text.split("\n") if _count(line, lang) >= MIN_TOKENS]


def _tokens(line: str, lang: str) -> list[str]:
    if identifier_code(lang) in _UNSPACED:
        line = _UNSPACED_RUN.sub(" ", line)
    return line.split()


def _count(line: str, lang: str) -> int:
    if identifier_code(lang) not in _UNSPACED:
        return len(line.split())
    signs = sum(map(len, _UNSPACED_RUN.findall(line)))
    return len(_tokens(line, lang)) + round(signs / _SIGNS_PER_TOKEN)


def _language(line: str) -> str:
    code, probability = fasttext_language(line)
    return code if probability > _LINE_THRESHOLD else "unknown"


@cache
def english_words() -> frozenset[str]:
    """Return the English words of four small letters or more (SCOWL, sizes 10 to 50)."""
    packed = (RESOURCES / "english_words.txt.gz").read_bytes()
    words = gzip.decompress(packed).decode("utf-8").split()
    return frozenset(word for word in words if len(word) >= _WORD_LETTERS and word.islower())
