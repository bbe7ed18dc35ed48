"""The page: one file, everything in it, no text of a model ever HTML."""

import dataclasses
import gzip
import html
import json
import re
import shutil
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Any

import built_study
import fake_study
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelmix.analyse.study import load_study
from babelmix.analyse.table import read_tables
from babelmix.io import read_json
from babelmix.report import report
from babelmix.report.browser import browser_data
from babelmix.report.cells import formatted
from babelmix.report.page import json_block
from babelmix.report.statements import statements

CHROMIUM = shutil.which("chromium")


def make_page(study: fake_study.FakeStudy, output: Path, *more: str) -> str:
    options = [*study.options("answers", "questions", "judgements", "manifests"), *more]
    for name in ("tables", "figures"):
        options += [f"--{name}", str(study.root / name / "index.json")]
    built_study.run_verb(report, *options, "--output", str(output))
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def study() -> fake_study.FakeStudy:
    return built_study.built()


@pytest.fixture(scope="module")
def page(study: fake_study.FakeStudy) -> str:
    return make_page(study, study.root / "report" / "index.html")


def block(page: str, name: str) -> Any:
    """A JSON block of the page."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found.group(1))


def answers_of(page: str) -> list[dict[str, Any]]:
    """The questions and answers of the page, unpacked as its script does."""
    blocks = re.findall(r'<script type="application/octet-stream" id="answers-.*?">(.*?)<', page)
    return [item for text in blocks for item in json.loads(gzip.decompress(b64decode(text)))]


def markup(page: str) -> str:
    """The page without its scripts, styles and data."""
    return re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.S)


def test_hostile_answers_are_data_and_never_html(page: str) -> None:
    assert "<script>alert" not in page
    texts = [
        turn["text"]
        for item in answers_of(page)
        for turns in item["answers"].values()
        for turn in turns.values()
    ]
    assert any(fake_study.HOSTILE.strip() in text for text in texts)
    assert "tiny &lt;b&gt;one&lt;/b&gt;" in page
    opened = len(re.findall(r"<script\b", page))
    assert opened == page.count("</script>")


@given(st.text())
def test_a_json_block_gives_back_any_text(text: str) -> None:
    made = json_block({"text": text})
    assert not set(made) & set("<>&\u2028\u2029")
    assert json.loads(made)["text"] == text


def test_a_broken_surrogate_does_not_break_the_page() -> None:
    assert json.loads(json_block("a\ud800b")) == "a?b"


def test_nothing_is_fetched(page: str) -> None:
    shown = markup(page)
    assert not re.search(r'(src|href)="(https?:)?//', shown)
    assert "@import" not in page.split("</style>")[0]
    for link in re.findall(r'href="([^"]*)"', shown):
        assert link.startswith(("#", "data:,"))


def test_links_within_the_page_lead_somewhere(page: str) -> None:
    shown = markup(page)
    ids = re.findall(r'id="([^"]+)"', shown)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]+)"', shown):
        assert target in ids


def test_the_first_screen_holds_note_question_answer_and_figure(page: str) -> None:
    first = markup(page).split('<nav aria-label="Contents">')[0]
    assert "Demo: made-up numbers, not a measure of quality." in first
    assert "Which language mixture makes the model answer best in all languages?" in first
    answer = re.search(r'<p class="answer">(.*?)</p>', first)
    assert answer
    assert "pinch-p10" in answer.group(1)
    assert "95\u202f%" in first
    order = ['class="answer"', "What is not known", "Every mixture, the best first", "chart"]
    assert [first.index(text) for text in order] == sorted(first.index(text) for text in order)
    assert "nothing here says which answers are better" in first
    for label in ("all-ENDEFR", "mono-DE", "pinch-1row"):
        assert f"{label}<" in first
    # The pinch, and what it does to English, still belong to the first findings.
    assert "With English only" in first
    assert "The English grade goes" in first


def test_tables_and_figures_can_be_read_without_eyes(
    study: fake_study.FakeStudy, page: str
) -> None:
    shown = markup(page)
    assert shown.count("<table>") == shown.count("<caption>")
    assert shown.count('<th scope="col"') > 30
    figures = read_json(study.root / "figures" / "index.json")["figures"]
    for figure in figures:
        assert f'aria-label="{html.escape(figure["alt"])}"' in shown.replace("&#39;", "&#x27;")
    assert set(block(page, "figures-data")) == {figure["id"] for figure in figures}


def test_every_table_is_part_of_the_page(study: fake_study.FakeStudy, page: str) -> None:
    for name, text in block(page, "csv-data").items():
        assert text == (study.root / "tables" / name).read_text(encoding="utf-8")
        assert f'data-csv="{name}"' in page
    assert {"grades.tex", "grades.csv", "decision.csv"} <= set(block(page, "csv-data"))
    assert "../tables" not in page


def test_deviations_licences_and_provenance(page: str) -> None:
    shown = markup(page)
    assert 'class="warn">non-commercial only' in shown
    assert "Doe 2024" in shown
    assert '<abbr title="unpublished: ours">?</abbr>' in shown
    assert "Babelmix 0.1.0" in shown
    digest = read_json_digest(page)
    assert digest in shown
    assert "torch" in shown


SOURCE = {
    "name": "closed",
    "builtin": "lima",
    "origin": "GAIR/lima",
    "version": "commit 123",
    "commit": "123",
    "pinned": "commit",
    "licence": "CC BY-NC-SA",
    "non_commercial": True,
    "citation": "Zhou 2023",
    "bytes": 5,
    "files": [{"file": "x/train.jsonl", "sha256": "5ca1ab1e" * 8}],
    "uses": [
        {"use": "dataset d", "read": 9, "kept": 7, "usable": 8, "expected": 9, "raw": {}},
        {"use": "benchmark b", "kept": 5, "usable": 80, "expected": None},
    ],
}


def test_sources_as_they_were_fetched(study: fake_study.FakeStudy, tmp_path: Path) -> None:
    defect = {"benchmark": "b", "lang": "it", "kind": "untranslated turn", "count": 1}
    defect |= {"where": "139, turn 2", "done": "kept as published"}
    made = {"sources": [SOURCE], "warnings": ["<b>few</b> rows"], "defects": [defect]}
    (tmp_path / "sources.json").write_text(json.dumps(made))
    page = make_page(study, tmp_path / "p.html", "--sources", str(tmp_path / "sources.json"))
    section = markup(page).split('<section id="licences">')[1].split("</section>")[0]
    assert "For non-commercial use only: closed (1 of 1 sources)." in section
    assert '<p class="warn">&lt;b&gt;few&lt;/b&gt; rows</p>' in section
    for text in ("GAIR/lima", "commit 123", "CC BY-NC-SA", "Zhou 2023", "5ca1ab1e" * 8):
        assert text in section
    assert "dataset d: 7 of 8 usable (9 expected); benchmark b: 5 of 80 usable</td>" in section
    assert "<td>untranslated turn</td><td>1</td>" in section
    assert "139, turn 2" in section


def test_sources_as_they_are_configured(page: str) -> None:
    section = markup(page).split('<section id="licences">')[1].split("</section>")[0]
    assert "For non-commercial use only: closed (1 of 2 sources)." in section


def read_json_digest(page: str) -> str:
    """The digest of the first manifest in the provenance."""
    found = re.search(r"<code>([0-9a-f]{64})</code>", page)
    assert found
    return found.group(1)


def test_coverage_and_its_reasons_are_shown(page: str) -> None:
    section = markup(page).split('<section id="judging">')[1].split("</section>")[0]
    assert "<td>no verdict in the judge&#39;s text</td>" in section
    assert "warn" in section


def test_the_page_has_the_same_bytes_again(study: fake_study.FakeStudy, page: str) -> None:
    assert make_page(study, study.root / "again" / "index.html") == page


def test_a_small_budget_keeps_whole_questions(study: fake_study.FakeStudy) -> None:
    made = load_study(study.study)
    files = study.questions, study.answers, study.judgements
    small = browser_data(made, *files, budget=1)["benchmarks"][0]
    assert small["total"] == 6
    assert len({item["id"] for item in small["items"]}) == 1
    assert {item["lang"] for item in small["items"]} == set(fake_study.LANGUAGES)
    whole = browser_data(made, *files, budget=10**9)["benchmarks"][0]
    assert len({item["id"] for item in whole["items"]}) == 6
    item = next(i for i in whole["items"] if i["id"] == "q00" and i["lang"] == "de")
    turn = item["answers"]["tiny.mono-EN.short.s0"]["1"]
    reasons = [j.get("reason") for j in turn["judgements"]]
    assert "no verdict in the judge's text" in reasons


def test_statements_say_when_nothing_can_be_shown(study: fake_study.FakeStudy) -> None:
    made = load_study(study.study)
    tables = read_tables(study.root / "tables" / "index.json")

    def gain(low: float, difference: float, high: float, p: float = 0.01) -> str:
        rows = [
            row
            | {"difference": difference, "difference_low": low, "difference_high": high}
            | {"p_holm": p, "detectable": 0.4}
            for row in tables["gains"].rows
        ]
        changed = tables | {"gains": dataclasses.replace(tables["gains"], rows=rows)}
        return next(
            s.text for s in statements(made, "polyglot", changed) if s.figures[0] == "gains"
        )

    nothing = gain(-0.1, 0.2, 0.5)
    assert "No difference can be shown at this size" in nothing
    assert "A true difference of 0.40 grade points would be found in 4 of 5" in nothing
    assert "once the other comparisons are allowed for" in gain(0.1, 0.2, 0.5, p=0.2)
    assert " beats the best monolingual mixture" in gain(0.1, 0.2, 0.5)
    assert "No language mixture beats" in gain(-0.5, -0.2, -0.1)


def test_the_judge_comes_first_unless_it_is_made_of_rules(
    study: fake_study.FakeStudy, tmp_path: Path
) -> None:
    tables = read_tables(study.root / "tables" / "index.json")
    described = read_json(study.study)
    assert "come in the language" in statements(load_study(study.study), "polyglot", tables)[0].text
    rows = [row | {"unsure": 2.0, "not_judged": 1.0} for row in tables["answer_language"].rows]
    shares = dataclasses.replace(tables["answer_language"], rows=rows)
    short = statements(load_study(study.study), "polyglot", tables | {"answer_language": shares})
    assert "16 answers whose language is not certain and 8 too short to tell, of" in short[0].note
    for evaluation in described["evaluations"].values():
        evaluation["engine"] = "openai"
    (tmp_path / "study.json").write_text(json.dumps(described), encoding="utf-8")
    first = statements(load_study(tmp_path / "study.json"), "polyglot", tables)[0]
    assert first.figures[0] == "gains"


def test_halves_round_as_in_the_figures() -> None:
    assert [formatted(v, ".0f") for v in (62.5, 63.5, -62.5, 0.0)] == ["63", "64", "-63", "0"]


def in_chromium(place: str, profile: Path) -> tuple[str, list[str]]:
    """The page's document once its scripts have run, and what the console said."""
    quiet = ["quic", "background-networking", "component-update", "sync", "gpu"]
    shown = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--no-first-run",
            *(f"--disable-{name}" for name in quiet),
            f"--user-data-dir={profile}",
            "--enable-logging=stderr",
            "--v=0",
            "--virtual-time-budget=15000",
            "--dump-dom",
            place,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return shown.stdout, [line for line in shown.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_everything_is_drawn_and_nothing_complains(
    study: fake_study.FakeStudy, page: str, tmp_path: Path
) -> None:
    place = (study.root / "report" / "index.html").as_uri()
    state = "#answers?question=q01&lang=de&left=tiny.mono-DE.short.s0&right=tiny.untuned"
    document, complaints = in_chromium(place + state, tmp_path)
    assert not complaints
    dom = markup(document)
    figures = len(read_json(study.root / "figures" / "index.json")["figures"])
    assert dom.count("<svg") == figures
    browser = dom.split('id="browser"')[1]
    assert "(de) First question 1?" in browser
    assert "&lt;script&gt;alert('x')&lt;/script&gt; {{ 7*7 }} {answer}" in browser
    assert "tiny (untuned)" in browser


#: Clicks two heads of the ranked table and two downloads, and writes down what came of it.
CLICKS = """
<script type="module">
const table = document.querySelector(".finding table");
const text = (row, at) => row.cells[at].firstChild.textContent.trim();
const column = (at) => [...table.tBodies[0].rows].map((row) => text(row, at));
const heads = table.querySelectorAll("thead .sort");
const seen = { before: column(0) };
heads[0].click();
seen.names = column(0);
heads[1].click();
seen.most = column(1);
seen.state = heads[1].parentElement.getAttribute("aria-sort");
heads[1].click();
seen.least = column(1);
const saved = [];
const read = async (name, url) => [name, await (await fetch(url)).text()];
window.saveAs = (name, url) => saved.push(read(name, url));
for (const name of ["decision.csv", "grades.tex"]) {
  document.querySelector(`[data-csv="${name}"]`).click();
}
seen.saved = await Promise.all(saved);
document.body.dataset.seen = JSON.stringify(seen);
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_in_a_browser_tables_sort_and_download_without_a_folder_beside_the_page(
    study: fake_study.FakeStudy, page: str, tmp_path: Path
) -> None:
    alone = tmp_path / "mailed" / "page.html"
    alone.parent.mkdir()
    alone.write_text(page.replace("</body>", CLICKS), encoding="utf-8")
    document, _ = in_chromium(alone.as_uri(), tmp_path / "profile")
    found = re.search(r'data-seen="(.*?)"', document, re.S)
    assert found
    seen = json.loads(html.unescape(found.group(1)))
    assert sorted(seen["before"]) == sorted(seen["names"])
    assert seen["names"] == sorted(seen["before"], key=str.lower)
    shares = [int(text.removesuffix("\u202f%")) for text in seen["most"]]
    assert shares == sorted(shares, reverse=True)
    assert seen["state"] == "descending"
    assert seen["least"] == seen["most"][::-1] or sorted(seen["least"]) == sorted(seen["most"])
    assert [int(text.removesuffix("\u202f%")) for text in seen["least"]] == sorted(shares)
    for name, text in seen["saved"]:
        assert text == (study.root / "tables" / name).read_text(encoding="utf-8")
    assert [name for name, _ in seen["saved"]] == ["decision.csv", "grades.tex"]
