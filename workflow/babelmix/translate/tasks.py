"""Tasks that translation breaks, told from the English request by rules.

"How many times does the letter r occur in strawberry?" has another answer, or none, once it is
translated; so have rhymes, word limits, spelling, anagrams. The rules look at user messages only
and are tuned on Alpaca, LIMA and MT-Bench (docs/audit.md lists what they flag there).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ERROR = r"(?:error|mistake|typo)s?"
_FIX = r"(?:correct|fix|find|edit|proofread|identify|spot|check|rewrite|revise|improve|remove)"

#: kind -> words of which each of its texts has one, and the pattern; in the rules' language.
_KINDS = {
    "letters": (
        "letter|vowel|consonant|syllab|ts with|rt with|ing with|in with|ins with|nd with|"
        "nds with|acrostic|lipogram|hangman|crossword",
        r"""
        (?:how\ many|number\ of|count(?:ing)?)\ (?:\w+\ ){0,3}(?:letters?|vowels|consonants|
            syllables)\b
      | \bletters?\ ["'“‘]?[a-z]["'”’]?(?![\w'])
      | \b(?:start|begin|end)(?:s|ing)?\ with\ (?:the\ (?:same\ )?(?:letters?|prefix|
            suffix)\b|(?:an?\ )?(?:vowel|consonant)|["'“‘][a-z]{1,3}["'”’])
      | \b(?:\d+|two|three|four|five|six|seven|eight|nine|ten)[- ](?:letter|syllable)s?\b
      | \b(?:first|last|second|third|missing|capital|uppercase|lowercase|silent|
            double)\ letters?\b
      | \bacrostic\b | \blipogram\b | \bhangman\b | \bcrossword\b | \b(?:only|
            without)\ (?:using\ )?(?:the\ )?(?:letters?|vowels?)\b
    """,
    ),
    "rhyme_and_metre": (
        "rhym|limerick|haiku|sonnet|villanelle|syllable|iambic|couplet|alliterat|twister",
        r"""
        \brhym(?:e[sd]?|ing)\b | \blimericks?\b | \bhaikus?\b | \bsonnets?\b | \bvillanelles?\b
      | \bsyllables?\b | \biambic\b | \bcouplets?\b | \balliterat\w+\b | \btongue[- ]twisters?\b
    """,
    ),
    "word_limit": (
        "word|character|letter",
        r"""
        \b(?:in|under|within|to|of|about|around|approximately|exactly|most|least|than|over|
            maximum|minimum|only|using)\ (?:a\ |about\ |around\ |exactly\ |
            approximately\ )?(?:\d[\d,]*|one|two|three|four|five|six|seven|eight|nine|ten|
            twenty|fifty|hundred)(?:\ ?(?:-|–|to|or)\ ?\d+)?[- ](?:words?|characters?|
            letters?)\b(?!\s+(?:problem|from|that|related|associated|about))
      | \b\d[\d,]*(?:\ ?(?:-|–|to)\ ?\d+)?[- ]words?\b(?!\s+(?:problem|from|that|list|document))
      | \bword\ (?:limit|count)\b
    """,
    ),
    "spelling": (
        "spel|capitali|case|hyphenat|homophone|pronounc",
        r"""
        \bmisspel\w+\b | \bspell(?:ing(?!\ words)|ed|ings)\b(?!\ (?:out|book))
      | \bspelt\b | \b(?:how\ (?:to|do\ you)|can\ you|please)\ spell\b
      | \bcapitali[sz]e\b | \b(?:upper|lower|camel|snake|title)[- ]?case\b | \bhyphenat\w+\b |
             \bhomophones?\b | \bpronounc\w+\b
    """,
    ),
    "correction": (
        "gramma|punctuation|spelling|typo|error|mistake|proofread|sentence",
        rf"""
        \b{_FIX}\b[^.?!\n]{{0,60}}\b(?:gramma\w*|punctuation|spelling|typos?)\b
      | \b(?:gramma\w*|punctuation|spelling)[^.?!\n]{{0,40}}\b{_ERROR}
      | \bgrammatical(?:ly)?\b | \bproofread\w*\b
      | \b{_FIX}\b[^.?!\n]{{0,40}}\b{_ERROR}[^.?!\n]{{0,20}}\b(?:sentence|text|paragraph|
            passage|essay)s?\b
      | \b(?:edit|correct|fix)\b[^.?!\n]{{0,30}}\bsentences?\b
      | \badd\ (?:the\ )?(?:correct\ |proper\ |missing\ )?punctuation\b
    """,
    ),
    "anagram": (
        "anagram|palindrom|scramble|rearrang|revers|latin|cipher",
        r"""
        \banagrams?\b | \bpalindrom\w+\b | \b(?:un)?scrambled?\b(?!\ eggs?) |
             \brearrang\w+\b[^.?!\n]{0,30}\b(?:letters|words)\b
      | \brevers\w+\b[^.?!\n]{0,20}\b(?:letters|words?)\b | \bpig\ latin\b |
             \b(?:caesar\ )?cipher\b
    """,
    ),
    "alphabet": (
        "alphabet",
        r"\balphabeti\w+\b | \bletters?\ of\ the\ alphabet\b",
    ),
    "wordplay": (
        "pun|wordplay|play on words|portmanteau|knock|entendre|onym",
        r"""
        \bpuns?\b | \bwordplay\b | \bplay\ on\ words\b | \bportmanteaus?\b | \bknock[- ]knock\b
      | \bdouble\ entendre\b | \bbackronym\w*\b | \b(?:catchy|create|make|form|generate|
            invent)\b[^.?!\n]{0,25}\bacronyms?\b
    """,
    ),
    "grammar": (
        "speech|voice|tense|participle|verb|noun|adjective|preposition|conjunction|prefix|"
        "suffix|subject and|predicate|clause|plural|conjugat|contraction|modifier|run-on",
        r"""
        \bparts?\ of\ speech\b | \b(?:passive|active)\ voice\b | \b(?:past|present|
            future)\ (?:perfect\ |continuous\ |simple\ |progressive\ )?(?:tense|participles?)\b
      | \b(?:identify|find|underline|circle|name|label|count|classify|replace|change|convert|
            select|choose|list|point\ out)\b[^.?!\n]{0,40}\b(?:verbs?|nouns?|adjectives?|
            adverbs?|prepositions?|pronouns?|conjunctions?|prefix(?:es)?|suffix(?:es)?|
            subject\ and|predicates?|clauses?)\b
      | \bplural\ (?:form|of)\b | \bconjugat\w+\b | \bcontractions?\b |
             \bdangling\ modifier\b | \brun-on\b
    """,
    ),
    "translation": (
        "translat|say|mean|etymolog",
        r"""
        \btranslat(?:e[sd]?|ing|ions?)\b[^.?!\n]{0,80}\b(?:in)?to\b | \btranslat(?:e|
            ion)\b[^.?!\n]{0,40}\bfrom\b
      | \bhow\ (?:do|would|to)\ (?:you\ |i\ )?say\b | \b(?:mean|say)s?\ in\ (?:english|french|
            spanish|german|italian|chinese|japanese|latin)\b
      | \betymolog\w+\b
    """,
    ),
}
_PATTERNS = [
    (kind, tuple(hints.split("|")), re.compile(pattern, re.VERBOSE | re.IGNORECASE))
    for kind, (hints, pattern) in _KINDS.items()
]
#: Language of the rules: other pivots are not judged.
LANGUAGE = "en"
#: Requests open or close a message; rules do not look into a long text between.
_WINDOW = 600


def fragile_kinds(requests: Iterable[str]) -> list[str]:
    """Kinds of task, among the user messages of a row, that do not survive translation."""
    found: set[str] = set()
    for request in requests:
        if len(request) > 2 * _WINDOW:
            request = f"{request[:_WINDOW]}\n{request[-_WINDOW:]}"
        small = request.lower()
        for kind, hints, pattern in _PATTERNS:
            if any(hint in small for hint in hints) and pattern.search(request):
                found.add(kind)
    return sorted(found)
