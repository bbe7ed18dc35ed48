"""What a language code asks for: its language, script and region, and their usual spellings.

Codes are BCP 47 tags (`zh-Hant-TW`, `pt-BR`, `sr-Latn`); scripts are ISO 15924 codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .resources import language_catalogue

#: Names of scripts as configurations and the catalogue write them -> ISO 15924.
SCRIPTS = {
    "Latin": "Latn",
    "Cyrillic": "Cyrl",
    "Arabic": "Arab",
    "Hebrew": "Hebr",
    "Devanagari": "Deva",
    "Han": "Hans",
    "Greek": "Grek",
    "Simplified Han": "Hans",
    "Traditional Han": "Hant",
    "Bengali": "Beng",
    "Gujarati": "Gujr",
    "Gurmukhi": "Guru",
    "Tamil": "Taml",
    "Telugu": "Telu",
    "Kannada": "Knda",
    "Malayalam": "Mlym",
    "Sinhala": "Sinh",
    "Thai": "Thai",
    "Lao": "Laoo",
    "Khmer": "Khmr",
    "Burmese": "Mymr",
    "Georgian": "Geor",
    "Armenian": "Armn",
    "Ethiopic": "Ethi",
    "Japanese": "Jpan",
    "Korean": "Hang",
    "Hangul": "Hang",
}
#: Regions that write Chinese in one of its two ways (CLDR's likely subtags).
_CHINESE = {"TW": "Hant", "HK": "Hant", "MO": "Hant", "CN": "Hans", "SG": "Hans", "MY": "Hans"}


@dataclass(frozen=True, slots=True)
class Tag:
    """A language code in its parts. ``script`` and ``region`` are None where it names none;
    Chinese regions imply their script (`zh-TW` asks for `Hant`). ``other`` is what is neither: a
    variant (`ca-valencia`), or the language within a group (`zh-yue`)."""

    base: str
    script: str | None = None
    region: str | None = None
    other: str | None = None

    @property
    def usual_script(self) -> bool:
        """Whether the script is the one that the catalogue gives the language anyway."""
        return self.script is not None and self.script == default_script(self.base)


@cache
def read_tag(lang: str) -> Tag:
    """Split a code into language, script and region."""
    base, *rest = lang.replace("_", "-").split("-")
    base = base.lower()
    script = next((part.title() for part in rest if is_script(part)), None)
    region = next((p.upper() for p in rest if len(p) == 2 or (len(p) == 3 and p.isdigit())), None)
    known = {(script or "").lower(), (region or "").lower()}
    other = next((part for part in rest if part.lower() not in known), None)
    if base == "zh" and script is None and region:
        script = _CHINESE.get(region)
    return Tag(base, script, region, other)


@cache
def is_script(part: str) -> bool:
    """Tell whether a part of a code names a script: `Latn` does, the `easy` of `de-easy` not."""
    if len(part) != 4 or not part.isalpha():
        return False
    if part.title() in SCRIPTS.values():
        return True
    import langcodes

    return bool(langcodes.Language.make(script=part.title()).is_valid())


def script_code(name: str) -> str | None:
    """Return the ISO 15924 code of a script's name or code; None for one that is not known."""
    if name in SCRIPTS:
        return SCRIPTS[name]
    code = name.title()
    return code if code in SCRIPTS.values() else None


@cache
def default_script(lang: str) -> str:
    """Return the ISO 15924 code of the script that a language is usually written in.

    The catalogue's; of a language that it lacks CLDR's (likely subtags), else Latin's.
    """
    if known := language_catalogue().get(lang):
        return SCRIPTS.get(str(known.get("script", "Latin")), "Latn")
    import langcodes

    try:
        return langcodes.Language.get(lang).maximize().script or "Latn"
    except ValueError:
        return "Latn"


@cache
def iso639_3(lang: str) -> str:
    """Return the three-letter code of a plain language code; the code itself where it has none."""
    if known := language_catalogue().get(lang):
        return str(known["iso639_3"])
    import langcodes

    try:
        return str(langcodes.Language.get(lang).to_alpha3())
    except (ValueError, LookupError):
        return lang


def language_name(lang: str, configured: str = "") -> str:
    """Return the English name of a language for a prompt, or its code where we know no name.

    ``configured`` goes first: it is the only name that tells a variety.
    """
    known = language_catalogue().get(lang) or language_catalogue().get(lang.partition("-")[0])
    if configured:
        return configured
    return str(known["name"]) if known else f"the language with the code '{lang}'"
