"""Names, codes and scripts of languages: asked for by every backend, and checked in the result."""

import json
from typing import Any

import pytest
import yaml

from babelmix.config.load import build_config, read_yaml
from babelmix.config.prompt import fill_in
from babelmix.errors import BabelmixError
from babelmix.langid.codes import is_known
from babelmix.plan.graph import Plan
from babelmix.plan.jobs import Jobs
from babelmix.records import Message
from babelmix.resources import ROOT, language_catalogue
from babelmix.specs import TranslateSpec
from babelmix.tags import Tag, read_tag
from babelmix.translate.audit import audit
from babelmix.translate.backends import make_backend
from babelmix.translate.backends.codes import backend_code
from babelmix.translate.texts import Text
from babelmix.translate.variety import script_check

#: github.com/mbzuai-nlp/bactrian-x, README: its table of 52 languages.
BACTRIAN_X = {
    "af",
    "ar",
    "az",
    "bn",
    "cs",
    "de",
    "en",
    "es",
    "et",
    "fa",
    "fi",
    "fr",
    "gl",
    "gu",
    "he",
    "hi",
    "hr",
    "id",
    "it",
    "ja",
    "ka",
    "kk",
    "km",
    "ko",
    "lt",
    "lv",
    "mk",
    "ml",
    "mn",
    "mr",
    "my",
    "ne",
    "nl",
    "pl",
    "ps",
    "pt",
    "ro",
    "ru",
    "si",
    "sl",
    "sv",
    "sw",
    "ta",
    "te",
    "th",
    "tl",
    "tr",
    "uk",
    "ur",
    "vi",
    "xh",
    "zh",
}
HANS = "请说明为什么图书馆对这个国家的学生来说很重要，并给出三个简单的例子。"
HANT = "請說明為什麼圖書館對這個國家的學生來說很重要，並給出三個簡單的例子。"
SR_LATN = "Objasnite zašto je biblioteka važna za učenike i navedite tri primera."
SR_CYRL = "Објасните зашто је библиотека важна за ученике и наведите три примера."


def test_all_languages_of_bactrian_x_are_known() -> None:
    assert len(BACTRIAN_X) == 52
    for code in BACTRIAN_X:
        entry = language_catalogue()[code]
        assert entry["name"], code
        assert len(entry["iso639_3"]) == 3, code
        assert entry["family"], code
        assert is_known(code), code


def test_each_catalogued_script_is_known() -> None:
    from babelmix.tags import script_code

    unknown = [
        code
        for code, entry in language_catalogue().items()
        if script_code(entry.get("script", "Latin")) is None
    ]
    assert not unknown


@pytest.mark.parametrize(
    ("lang", "tag"),
    [
        ("zh-Hant-TW", Tag("zh", "Hant", "TW")),
        ("zh-TW", Tag("zh", "Hant", "TW")),
        ("zh_HK", Tag("zh", "Hant", "HK")),
        ("pt-BR", Tag("pt", None, "BR")),
        ("es-419", Tag("es", None, "419")),
        ("sr-Latn", Tag("sr", "Latn")),
        ("de", Tag("de")),
        ("zh-yue", Tag("zh", other="yue")),
        ("ca-valencia", Tag("ca", other="valencia")),
        ("de-easy", Tag("de", other="easy")),  # four letters, and no script
        ("en-orig", Tag("en", other="orig")),
    ],
)
def test_a_code_in_its_parts(lang: str, tag: Tag) -> None:
    assert read_tag(lang) == tag


@pytest.mark.parametrize(
    ("backend", "codes"),
    [
        ("deepl", {"pt-BR": "PT-BR", "zh-Hant": "ZH-HANT", "zh-TW": "ZH-HANT", "en-GB": "EN-GB"}),
        ("deepl", {"de": "DE", "en": "EN-US", "pt": "PT-PT", "zh": "ZH-HANS", "es-419": "ES-419"}),
        ("google", {"zh-Hant": "zh-TW", "zh": "zh-CN", "pt-BR": "pt-BR", "sr-Cyrl": "sr"}),
        ("azure", {"zh-Hant": "zh-Hant", "sr-Latn": "sr-Latn", "sr": "sr-Cyrl", "pt-BR": "pt"}),
        ("azure", {"zh": "zh-Hans", "pt": "pt-PT", "mn": "mn-Cyrl", "tl": "fil", "xh": "xh"}),
        (
            "nllb",
            {"zh-Hant": "zho_Hant", "zh": "zho_Hans", "sr": "srp_Cyrl"},
        ),
        ("nllb", {"bn": "ben_Beng", "ko": "kor_Hang", "fa": "pes_Arab", "km": "khm_Khmr"}),
        ("nllb", {"az": "azj_Latn", "mn": "khk_Cyrl", "my": "mya_Mymr", "ka": "kat_Geor"}),
        ("m2m100", {"zh-Hans": "zh", "tl": "tl", "de": "de"}),
        ("madlad", {"zh": "zh", "tl": "fil"}),
        ("opus-mt", {"sr-Latn": "srp_Latn", "zh-Hant": "cmn_Hant", "de": "deu"}),
        ("libretranslate", {"zh-Hant": "zh-Hant", "pt-BR": "pt-BR", "sr": "sr"}),
        # Languages that the catalogue lacks: ISO 639-3's code, and CLDR's usual script.
        ("nllb", {"nb": "nob_Latn", "nn": "nno_Latn", "yue": "yue_Hant", "jv": "jav_Latn"}),
        ("nllb", {"ku": "kmr_Latn", "ckb": "ckb_Arab", "fil": "tgl_Latn", "pa": "pan_Guru"}),
        ("opus-mt", {"nb": "nob", "bs": "bos", "jv": "jav"}),
        ("m2m100", {"nb": "no", "fil": "tl"}),
        ("google", {"nb": "no", "kmr": "ku", "ckb": "ckb", "he": "iw", "mr": "mr"}),
        ("azure", {"ku": "kmr", "ckb": "ku", "no": "nb", "yue": "yue", "fil": "fil"}),
        ("deepl", {"no": "NB", "nb": "NB", "yue": "YUE", "mr": "MR", "he": "HE"}),
    ],
)
def test_codes(backend: str, codes: dict[str, str]) -> None:
    assert {lang: backend_code(backend, lang, {}) for lang in codes} == codes


@pytest.mark.parametrize(
    ("backend", "lang", "nearest"),
    [
        ("google", "sr-Latn", "Nearest: sr"),
        ("deepl", "de-AT", "Nearest: DE"),
        ("deepl", "en-AU", "Nearest: EN-GB, EN-US"),
        ("nllb", "sr-Latn", "Nearest: srp_Cyrl"),
        ("nllb", "pt-BR", "Nearest: por_Latn"),
        ("m2m100", "zh-Hant", "Nearest: zh"),
        ("azure", "zh-HK", "Nearest: zh-Hans, zh-Hant"),
        ("libretranslate", "sr-Latn", "Nearest: sr"),
        ("google", "zh-yue", "Nearest: zh-CN, zh-TW"),
        ("azure", "ca-valencia", "Nearest: ca"),
        ("nllb", "zh-yue", "Nearest: zho_Hans, zho_Hant"),
        ("m2m100", "uz-Cyrl", "Nearest: uz"),
        ("google", "yue-Hans", "Nearest: yue"),
    ],
)
def test_a_variety_that_cannot_be_asked_for_is_refused(
    backend: str, lang: str, nearest: str
) -> None:
    with pytest.raises(BabelmixError, match=f"cannot be asked for '{lang}'. {nearest}"):
        backend_code(backend, lang, {})
    assert backend_code(backend, lang, {backend: "yy"}) == "yy"


def plan_of(languages: Any, translator: dict[str, Any], lang: str) -> Plan:
    raw = read_yaml(ROOT / "config" / "small.yaml")
    listed = raw["languages"]
    raw["languages"] = (
        {code: {} for code in listed} if isinstance(listed, list) else listed
    ) | languages
    raw["translators"]["chosen"] = translator
    raw["datasets"]["lima"]["languages"].append(lang)
    raw["datasets"]["lima"]["translator"] = "chosen"
    raw["data_root"] = "unused"
    return Plan(build_config(raw))


def chat(name: str, lang: str, **more: Any) -> Any:
    entry = {lang: {"name": name, "iso639_3": "zho"}}
    plan = plan_of(entry, {"backend": "openai", "model": "m"} | more, lang)
    text = Jobs(plan).translate("lima", lang, 0)
    more = {"base_url": "http://127.0.0.1:9/v1"}
    given = json.loads(text)
    given["translator"] |= more
    return make_backend(TranslateSpec.model_validate(given))


def test_the_configured_name_reaches_a_chat_model() -> None:
    made = chat("Traditional Chinese (Taiwan)", "zh-Hant")
    assert "from English into Traditional Chinese (Taiwan)." in made.prompt
    assert "into Brazilian Portuguese." in chat("Brazilian Portuguese", "pt-BR").prompt
    assert "into Plattdeutsch." in chat("Plattdeutsch", "nds").prompt


def test_a_name_that_says_nothing_new_changes_no_job() -> None:
    plan = plan_of({}, {"backend": "openai", "model": "m"}, "de")
    text = Jobs(plan).translate("lima", "de", 0)
    assert not {"lang_name", "pivot_name", "pivot_codes", "prompt"} & set(json.loads(text))
    assert "prompt" not in json.loads(text)["translator"]
    assert "script" not in json.loads(Jobs(plan).collect("lima", "de"))


@pytest.mark.parametrize(
    ("translator", "lang"),
    [
        ({"backend": "google"}, "sr-Latn"),
        ({"backend": "seq2seq", "family": "nllb", "model": "m"}, "pt-BR"),
    ],
)
def test_refused_when_planned(translator: dict[str, Any], lang: str) -> None:
    with pytest.raises(BabelmixError, match=r"translators\.chosen"):
        plan_of({lang: {}}, translator, lang)


@pytest.mark.parametrize(
    ("translator", "codes"),
    [
        ({"backend": "libretranslate", "server_url": "http://127.0.0.1:9"}, ["pt-BR", "de"]),
        ({"backend": "azure"}, ["sr-Latn", "zh-Hant"]),
        ({"backend": "google"}, ["pt-BR", "tl"]),
        ({"backend": "deepl"}, ["pt-BR"]),
    ],
)
def test_every_service_can_be_planned(translator: dict[str, Any], codes: list[str]) -> None:
    for lang in codes:
        text = Jobs(plan_of({lang: {}}, translator, lang)).translate("lima", lang, 0)
        made = TranslateSpec.model_validate_json(text)
        assert made.translator.backend == translator["backend"]
        assert "127.0.0.1" not in text  # where it is asked changes no translation


def test_a_configured_script_is_checked() -> None:
    plan = plan_of({"sr": {"script": "Latin"}}, {"backend": "identity"}, "sr")
    assert json.loads(Jobs(plan).collect("lima", "sr"))["script"] == "Latn"
    with pytest.raises(BabelmixError, match=r"languages\.sr\.script: unknown script 'Latein'"):
        plan_of({"sr": {"script": "Latein"}}, {"backend": "identity"}, "sr")


# --- the check -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "good", "bad"),
    [
        ("zh-Hant", HANT, HANS),
        ("zh-TW", HANT, HANS),
        ("zh-Hans", HANS, HANT),
        ("sr-Latn", SR_LATN, SR_CYRL),
        ("sr-Cyrl", SR_CYRL, SR_LATN),
        ("ur-Arab", "یہ ایک سادہ سا جملہ ہے جو اردو میں ہے", "यह हिंदी का एक सरल वाक्य है"),
        ("hi-Deva", "यह हिंदी का एक सरल वाक्य है", "yah hindee ka ek saral vaaky hai"),
        ("ja-Jpan", "図書館は学生にとって大切です。", "The library matters to students."),
        ("zh-Hant", HANT, "The library matters to students."),
    ],
)
def test_a_wrong_script_fails(lang: str, good: str, bad: str) -> None:
    right = script_check([Text(good)], lang)
    wrong = script_check([Text(good), Text(bad)], lang)
    assert right is not None
    assert wrong is not None
    assert right.ok
    assert right.value is not None
    assert right.value > 0.8
    assert not wrong.ok
    assert wrong.detail


def test_what_cannot_be_told_is_said() -> None:
    region = script_check([Text("O ônibus chegou atrasado hoje.")], "pt-BR")
    assert region is not None
    assert region.value is None
    assert region.detail == "not measured: region BR of pt cannot be told"
    short = script_check([Text("你好")], "zh-Hant")
    assert short is not None
    assert short.detail == "not measured: too short to tell Hant"
    both = script_check([Text(SR_LATN)], "sr-Latn-RS")
    assert both is not None
    assert both.ok
    assert "region RS of sr cannot be told" in both.detail
    assert script_check([Text("Hallo")], "de") is None
    assert script_check([Text(HANS)], "zh") is None, "the code asks for neither"


@pytest.mark.parametrize("lang", ["de-easy", "de-formal", "de-mach"])
def test_a_variety_of_ones_own_is_no_script(lang: str) -> None:
    text = "Die Bibliothek öffnet um neun Uhr. Taschen müssen am Eingang abgegeben werden."
    source = "The library opens at nine. Bags must be left at the entrance."
    made = audit([Message("user", source)], [Message("user", text)], "en", lang)
    assert all(check.ok for check in made)
    check = script_check([Text(text)], lang, "")
    assert check is not None
    assert check.ok
    assert check.detail == f"not measured: variety {lang[3:]} of de cannot be told"
    with pytest.raises(BabelmixError, match=f"cannot be asked for '{lang}'. Nearest: DE"):
        backend_code("deepl", lang, {})


def test_a_name_in_the_other_writing_does_not_fail_a_text() -> None:
    named = HANT + "作者是赵某。"
    check = script_check([Text(named)], "zh-Hant")
    assert check is not None
    assert check.ok


# --- prompts -------------------------------------------------------------------------------------


def test_an_own_prompt_is_filled_in_once() -> None:
    made = chat("Klingon", "tlh", prompt="To {target} ({target_code}) from {source}:\n{text}")
    assert made._messages("a {target} b {0}") == [
        {"role": "user", "content": "To Klingon (tlh) from English:\na {target} b {0}"}
    ]
    assert fill_in("{a} {b}", {"a": "{b}", "b": "x"}) == "{b} x"


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Translate.", "into which language"),
        ("Into {target} as {tone}", "unknown slot {tone}"),
        ("{target}: {text} {text}", "more than once"),
        (" ", "empty"),
    ],
)
def test_a_prompt_is_checked_before_anything_is_spent(prompt: str, said: str) -> None:
    with pytest.raises(BabelmixError, match=r"translators\.chosen.*prompt") as error:
        plan_of({}, {"backend": "openai", "model": "m", "prompt": prompt}, "de")
    assert said in str(error.value)


def test_a_prompt_in_a_file_is_part_of_the_job(tmp_path: Any) -> None:
    file = tmp_path / "prompt.txt"
    translator = {"backend": "openai", "model": "m", "prompt": str(file)}
    with pytest.raises(BabelmixError, match="cannot read"):
        plan_of({}, translator, "de")
    file.write_text("Into {target}, please.\n")
    first = Jobs(plan_of({}, translator, "de")).translate("lima", "de", 0)
    assert json.loads(first)["translator"]["prompt"] == "Into {target}, please."
    file.write_text("Into {target}, formally.\n")
    assert Jobs(plan_of({}, translator, "de")).translate("lima", "de", 0) != first
    file.write_text("Into {tone}.")
    with pytest.raises(BabelmixError, match="unknown slot"):
        plan_of({}, translator, "de")


def test_iso_codes_still_mean_the_language_as_such() -> None:
    found: dict[str, str] = {}
    text = (ROOT / "resources" / "languages.yaml").read_text(encoding="utf-8")
    for code, entry in yaml.safe_load(text).items():
        found[entry["iso639_3"]] = code
    assert (found["por"], found["srp"], found["zho"]) == ("pt", "sr", "zh")


def test_collecting_fails_rows_in_the_wrong_writing() -> None:
    from babelmix.records import Conversation, Message
    from babelmix.specs import CollectSpec
    from babelmix.translate.collect import variety_checks

    spec = CollectSpec(
        version=1, dataset="d", lang="sr", pivot="en", on_failed_check="keep", script="Latn"
    )
    row = Conversation("1", "sr", "d", "s", [Message("user", SR_CYRL)])
    found = variety_checks([Text(m.content) for m in row.messages], spec)
    assert [(c.name, c.ok) for c in found] == [("script", False)]
    plain = spec.model_copy(update={"script": ""})
    assert variety_checks([Text(SR_CYRL)], plain) == []
