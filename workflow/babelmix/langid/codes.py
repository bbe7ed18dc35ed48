"""Language codes: what users write, and what the identifiers call it.

Facts of ISO 639 and BCP 47 for the languages that at least one identifier knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

_ALIAS_PAIRS = """
afr:af amh:am ara:ar arb:ar arg:an asm:as ast:ast aze:az azj:az bak:ba bel:be ben:bn bos:bs
bre:br bul:bg cat:ca ces:cs cze:cs che:ce chv:cv cmn:zh cor:kw cos:co cym:cy wel:cy dan:da
deu:de ger:de div:dv dzo:dz ekk:et ell:el gre:el eng:en epo:eo est:et eus:eu baq:eu fao:fo
fas:fa per:fa pes:fa prs:fa fil:tl fin:fi fra:fr fre:fr fry:fy ful:ff fuv:ff gla:gd gle:ga
glg:gl glv:gv grn:gn gug:gn guj:gu hat:ht hau:ha heb:he hbo:he hbs:sh hin:hi hrv:hr hun:hu
hye:hy arm:hy ibo:ig ido:io ile:ie ina:ia ind:id in:id isl:is ice:is ita:it iw:he jav:jv jpn:ja
ji:yi kal:kl kan:kn kat:ka geo:ka kaz:kk khk:mn khm:km kik:ki kin:rw kir:ky kor:ko kur:ku kmr:ku
lao:lo lat:la lav:lv lvs:lv lim:li lin:ln lit:lt ltz:lb lug:lg mal:ml mar:mr mkd:mk mac:mk
mlg:mg plt:mg mlt:mt mo:ro mon:mn mri:mi mao:mi msa:ms may:ms zsm:ms zlm:ms mya:my bur:my nb:no
nob:no nor:no nep:ne npi:ne nld:nl dut:nl nno:nn oci:oc ori:or ory:or orm:om gaz:om oss:os
pan:pa pol:pl por:pt pus:ps pbt:ps que:qu quy:qu quz:qu roh:rm ron:ro rum:ro run:rn rus:ru
sag:sg san:sa sin:si slk:sk slo:sk slv:sl sme:se sna:sn snd:sd som:so sot:st spa:es sqi:sq
alb:sq srd:sc srp:sr sun:su swa:sw swh:sw swe:sv tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th
tib:bo bod:bo tir:ti tuk:tk tur:tr uig:ug ukr:uk urd:ur uzb:uz uzn:uz uzs:uz vie:vi vol:vo
wln:wa xho:xh yid:yi ydd:yi yor:yo zho:zh chi:zh zul:zu azb:az arz:ar ary:ar apc:ar acm:ar
aeb:ar bih:bh bho:bh als:sq sdh:ku ckb:ckb gcf:gcf grc:el
"""
#: ISO 639-3 codes and old or regional two-letter codes -> the code used here. Individual languages
#: whose macrolanguage is what the identifiers know (`arb` -> `ar`) are among them.
_ALIASES: dict[str, str] = {
    name: code for name, _, code in (pair.partition(":") for pair in _ALIAS_PAIRS.split())
}
#: Varieties of one language, or of languages so close that the identifiers mix them up: where one
#: of them is found and not surely, the others are named with it.
RELATIVES: tuple[frozenset[str], ...] = tuple(
    frozenset(group.split())
    for group in (
        "da no nn",
        "hr sr bs sh",
        "id ms min jv su",
        "cs sk",
        "pt gl mwl",
        "es gl ast an ext",
        "ca oc es",
        "it vec lij lmo nap scn co eml pms",
        "fr wa gcf gcr ht",
        "nl af li vls fy",
        "de lb nds bar gsw pfl",
        "ru uk be rue",
        "bg mk sr",
        "hi mr ne bh mai sa dty",
        "fa mzn lrc ps",
        "ur pnb sd",
        "zh yue wuu",
        "bn as bpy",
        "tr az crh",
        "kk ky tt ba",
        "st nso tn",
        "xh zu",
        "en sco pcm",
    )
)
#: Standard varieties that no identifier tells apart: any of them passes for any other of its set
#: (docs/language-identification.md has the measured confusion).
SAME: tuple[frozenset[str], ...] = (frozenset(["hr", "sr", "bs", "sh"]), frozenset(["id", "ms"]))


def base_code(lang: str) -> str:
    """Return the code without script and region: ``zh-Hans`` -> ``zh``."""
    return lang.partition("-")[0].partition("_")[0]


def are_same(first: str, second: str) -> bool:
    """Tell whether two languages (identifiers' codes) pass for each other."""
    return first == second or any({first, second} <= group for group in SAME)


def are_relatives(first: str, second: str) -> bool:
    """Tell whether two languages (identifiers' codes) are mixed up now and then."""
    return any({first, second} <= group for group in RELATIVES)


@cache
def identifier_code(lang: str) -> str:
    """Return what the identifiers call a language: ``pt-BR`` -> ``pt``, ``nob`` -> ``no``."""
    base = base_code(lang).lower()
    return _ALIASES.get(base, base)


def is_known(lang: str) -> bool:
    """Tell whether at least one identifier knows the language."""
    from .models import known_languages

    return identifier_code(lang) in known_languages()


def supported(languages: Iterable[str]) -> list[str]:
    """Return those of the languages that an identifier knows, in the order given."""
    return [lang for lang in languages if is_known(lang)]
