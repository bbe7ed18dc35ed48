"""Each backend's own code of a language: configured, catalogued, or made from our code.

A script or region that a backend cannot be asked for is refused, never dropped: `sr-Latn` asked for
as `sr` comes back in Cyrillic. The tables hold what the services document (Google:
cloud.google.com/translate/docs/languages; DeepL: developers.deepl.com, supported languages; Azure:
learn.microsoft.com, Translator language support; NLLB: FLORES-200's list).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import BabelmixError, unknown_name
from ...resources import language_catalogue
from ...tags import Tag, default_script, iso639_3, read_tag


@dataclass(frozen=True)
class _Offer:
    """How a backend writes languages. ``varieties``: our tag -> its code, for those it can be asked
    for; ``plain``: our code -> its code where they differ; ``upper``: it writes capitals."""

    varieties: dict[str, str]
    plain: dict[str, str]
    upper: bool = False


_OFFERS = {
    "deepl": _Offer(
        {
            "en-GB": "EN-GB",
            "en-US": "EN-US",
            "pt-BR": "PT-BR",
            "pt-PT": "PT-PT",
            "zh-Hans": "ZH-HANS",
            "zh-Hant": "ZH-HANT",
            "es-419": "ES-419",
        },
        {"en": "EN-US", "pt": "PT-PT", "no": "NB"},
        upper=True,
    ),
    "google": _Offer(
        {
            "zh-Hans": "zh-CN",
            "zh-Hant": "zh-TW",
            "pt-BR": "pt-BR",
            "pt-PT": "pt-PT",
            "fr-CA": "fr-CA",
            "fr-FR": "fr-FR",
            "pa-Arab": "pa-Arab",
            "ms-Arab": "ms-Arab",
        },
        {"nb": "no", "kmr": "ku"},
    ),
    "azure": _Offer(
        {
            "zh-Hans": "zh-Hans",
            "zh-Hant": "zh-Hant",
            "sr-Latn": "sr-Latn",
            "sr-Cyrl": "sr-Cyrl",
            "pt-BR": "pt",
            "pt-PT": "pt-PT",
            "fr-CA": "fr-CA",
            "mn-Cyrl": "mn-Cyrl",
            "mn-Mong": "mn-Mong",
            "iu-Latn": "iu-Latn",
        },
        {
            "zh": "zh-Hans",
            "sr": "sr-Cyrl",
            "pt": "pt-PT",
            "mn": "mn-Cyrl",
            "no": "nb",
            "tl": "fil",
            # Azure calls Central Kurdish `ku`; elsewhere that is Kurmanji.
            "ku": "kmr",
            "ckb": "ku",
        },
    ),
    "libretranslate": _Offer(
        {"zh-Hans": "zh-Hans", "zh-Hant": "zh-Hant", "pt-BR": "pt-BR", "pt-PT": "pt"},
        {"zh": "zh-Hans", "no": "nb"},
    ),
    "m2m100": _Offer({"zh-Hans": "zh", "pt-PT": "pt"}, {"nb": "no", "fil": "tl"}),
    "madlad": _Offer({"zh-Hans": "zh", "pt-PT": "pt"}, {"tl": "fil", "nb": "no"}),
}
#: Codes that services use for one another: Google lists `tl` and `jw`, and takes `fil` and `jv`.
_ALIKE = (
    ("he", "iw"),
    ("yi", "ji"),
    ("id", "in"),
    ("jv", "jw"),
    ("fil", "tl"),
    ("nb", "no"),
    ("zh-Hans", "zh", "zh-CN"),
    ("zh-Hant", "zt", "zh-TW"),
    ("pt-BR", "pb"),
)
#: Where NLLB uses the code of the standard variety, not of the macrolanguage.
_NLLB = {
    "ar": "arb_Arab",
    "et": "est_Latn",
    "lv": "lvs_Latn",
    "fa": "pes_Arab",
    "sw": "swh_Latn",
    "az": "azj_Latn",
    "mn": "khk_Cyrl",
    "ms": "zsm_Latn",
    "ne": "npi_Deva",
    "no": "nob_Latn",
    "nb": "nob_Latn",
    "ps": "pbt_Arab",
    "ko": "kor_Hang",
    "ja": "jpn_Jpan",
    "sq": "als_Latn",
    "uz": "uzn_Latn",
    "mg": "plt_Latn",
    "yi": "ydd_Hebr",
    "ku": "kmr_Latn",
    "fil": "tgl_Latn",
    "ckb": "ckb_Arab",
    "ug": "uig_Arab",
}
#: Languages that NLLB knows in two scripts.
_NLLB_SCRIPTS = {
    "ar": ("Arab", "Latn"),
    "zh": ("Hans", "Hant"),
    "ks": ("Arab", "Deva"),
    "ace": ("Arab", "Latn"),
    "bjn": ("Arab", "Latn"),
    "min": ("Arab", "Latn"),
    "taq": ("Latn", "Tfng"),
}


def backend_code(backend: str, lang: str, codes: dict[str, str], where: str = "") -> str:
    """Return a backend's (or a model family's) code of a language.

    Raises BabelmixError, with the nearest that it offers, for a script or region that it cannot be
    asked for. ``codes``: as configured. Whether the language itself is offered is not known here.
    """
    catalogued = language_catalogue().get(lang, {}).get("codes", {})
    configured = codes.get(backend) or catalogued.get(backend)
    if configured:
        return str(configured)
    tag = read_tag(lang)
    if backend == "nllb":
        return _nllb(lang, tag, where)
    if backend == "opus-mt":
        return _opus(lang, tag)
    offer = _OFFERS[backend]
    for name in _names(tag):
        if name in offer.varieties:
            return offer.varieties[name]
    if tag.region or tag.other or (tag.script and not tag.usual_script):
        raise _refused(backend, lang, tag, offer.varieties.values(), where)
    plain = offer.plain.get(tag.base)
    return plain or (tag.base.upper() if offer.upper else tag.base)


def source_code(backend: str, lang: str, codes: dict[str, str], where: str = "") -> str:
    """Return a backend's code of the language that is translated from."""
    if backend == "deepl":  # takes no variety of a source
        return read_tag(lang).base.upper()
    return backend_code(backend, lang, codes, where)


def require_offered(
    backend: str, kind: str, code: str, offered: Iterable[str], where: str, lang: str
) -> str:
    """Return a code as a service lists it, also where it lists another name of the language.

    Raises BabelmixError for a language that it does not list; names what is nearest to it.
    """
    known = sorted(offered)
    listed = {one.lower(): one for one in known}
    if code.lower() in listed:
        return code
    alike = (name for group in _ALIKE if code in group for name in group)
    if found := next((listed[name.lower()] for name in alike if name.lower() in listed), None):
        return found
    error = str(unknown_name(kind, code, known, f"{where} into '{lang}'"))
    base = code.replace("_", "-").partition("-")[0].lower()
    near = [c for c in known if c.replace("_", "-").partition("-")[0].lower() == base]
    hint = f" Nearest: {', '.join(near)}; choose by {_how(backend, lang)}." if near else ""
    raise BabelmixError(error + hint)


def _names(tag: Tag) -> list[str]:
    """The tags by which a variety may be listed, the most telling first; none for a plain code."""
    found = []
    if tag.other:
        return []
    if tag.script and tag.base == "zh":
        return [f"zh-{tag.script}"] if tag.region not in {"HK", "MO"} else []
    if tag.region:
        found.append(f"{tag.base}-{tag.region}")
    elif tag.script:
        found.append(f"{tag.base}-{tag.script}")
    return found


def _nllb(lang: str, tag: Tag, where: str) -> str:
    usual = f"{iso639_3(tag.base)}_{default_script(tag.base)}"
    iso, _, own = _NLLB.get(tag.base, usual).partition("_")
    scripts = _NLLB_SCRIPTS.get(tag.base, (own,))
    only_script = tag.region is None or (tag.base == "zh" and tag.region not in {"HK", "MO"})
    if tag.other or not only_script or (tag.script and tag.script not in scripts):
        raise _refused("nllb", lang, tag, [f"{iso}_{script}" for script in scripts], where)
    return f"{iso}_{tag.script or own}"


def _opus(lang: str, tag: Tag) -> str:
    """Tatoeba-MT's token: `deu`, `srp_Latn`, `cmn_Hant`; the tokenizer says whether it is known."""
    iso = iso639_3(tag.base)
    if tag.base == "zh" and tag.script and tag.region not in {"HK", "MO"}:
        return f"cmn_{tag.script}"
    if tag.region or tag.other:
        return f"{tag.base}_{tag.region or tag.other}"
    return f"{iso}_{tag.script}" if tag.script else iso


def _refused(
    backend: str, lang: str, tag: Tag, varieties: Iterable[str], where: str
) -> BabelmixError:
    base = tag.base.lower()
    near = [c for c in varieties if c.lower().replace("_", "-").startswith(f"{base}-")]
    near = near or (list(varieties) if backend == "nllb" else [])
    if not near:
        plain = _OFFERS[backend].plain.get(base) if backend in _OFFERS else None
        near = [plain or (base.upper() if backend == "deepl" else base)]
    return BabelmixError(
        f"{where or backend}: {backend} cannot be asked for '{lang}'. Nearest: {', '.join(near)}. "
        f"If that will do, say so by {_how(backend, lang, near[0])}, or choose another translator."
    )


def _how(backend: str, lang: str, code: str = "…") -> str:
    return f"`languages: {{{lang}: {{codes: {{{backend}: {code}}}}}}}`"
