"""What a change of the configuration asks to be made again, by the settings of each job."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.loopback import ScriptedServer, text
from tests.unit.test_judge_verbs import Study, openai, spec

from babelmix.config.load import build_config
from babelmix.judge import injection, prompts, single
from babelmix.plan import Jobs, Plan
from babelmix.plan.layout import results
from babelmix.resources import ROOT


def demo() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "config/demo.yaml").read_text(encoding="utf-8"))
    found["judges"]["gpt"] = {"engine": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    pairs = {"benchmark": "demo-bench", "judge": "gpt", "protocol": "single"}
    found["studies"]["demo"]["evaluations"].append(pairs)
    return found


def settings(config: dict[str, Any]) -> dict[str, tuple[str, str]]:
    jobs = Jobs(Plan(build_config(config)))
    return {r.path: (r.verb, json.dumps(r.settings)) for r in results(jobs)}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Verbs whose settings differ, or that make other files."""
    old, new = settings(before), settings(after)
    differing = {p for p in {*old, *new} if old.get(p) != new.get(p)}
    return {(new.get(path) or old[path])[0] for path in differing}


@pytest.fixture
def after() -> dict[str, Any]:
    return copy.deepcopy(demo())


def test_the_wording_of_a_licence_makes_only_manifests_again(after: dict[str, Any]) -> None:
    after["sources"]["demo-instructions"]["licence"] = "CC0 1.0 Universal"
    assert changed(demo(), after) == {"mixture-manifest"}


def test_a_learning_rate_trains_again(after: dict[str, Any]) -> None:
    after["training"]["quick"]["learning_rate"] = 0.1
    assert changed(demo(), after) == {"train"}


@pytest.mark.parametrize(
    "key", ["max_cost", "requests_per_minute", "concurrency", "timeout_s", "key_env"]
)
def test_prices_and_speeds_judge_nothing_again(after: dict[str, Any], key: str) -> None:
    after["judges"]["gpt"][key] = "OTHER_KEY" if key == "key_env" else 3
    assert changed(demo(), after) == set()


def test_the_size_of_answering_batches_answers_nothing_again(after: dict[str, Any]) -> None:
    after["benchmarks"]["demo-bench"]["generation"]["batch_tokens"] = 1024
    assert changed(demo(), after) == set()


def test_no_setting_names_the_repository_s_folder() -> None:
    for path, (_, text_) in settings(demo()).items():
        assert str(ROOT) not in text_, path
    jobs = Jobs(Plan(build_config(demo())))
    for name in jobs.plan.evaluations:
        assert not any(str(ROOT) in file for file in jobs.judge_prompts(name))


def test_a_comment_in_the_judge_s_prompts_judges_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in prompts.FOLDER.glob("*.yaml"):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    before = injection.own_prompts_digest(["de", "en"])
    monkeypatch.setattr(prompts, "FOLDER", tmp_path)
    file = tmp_path / "de.yaml"
    said = file.read_text(encoding="utf-8")
    file.write_text(f"# Seen by a native speaker.\n{said}", encoding="utf-8")
    assert injection.own_prompts_digest(["de", "en"]) == before
    prompts._load.cache_clear()
    file.write_text(said.replace("unparteiisch", "gerecht"), encoding="utf-8")
    assert injection.own_prompts_digest(["de", "en"]) != before
    assert injection.own_prompts_digest(["en"]) == injection.own_prompts_digest(["en"])


def test_a_judge_or_run_of_another_name_buys_nothing_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(lambda r: text("Rating: [[7]]")) as server:
        study = Study(tmp_path)
        study.judge(single, spec(openai(server)))
        asked = len(server.requests)
        (tmp_path / "j.jsonl").rename(tmp_path / "old.jsonl")
        torn = tmp_path / "torn.jsonl"
        torn.write_bytes((tmp_path / "old.jsonl").read_bytes()[:-40] + b'{"key": "x"')
        (tmp_path / "former.txt").write_text(
            f"{torn}\n{tmp_path / 'gone.jsonl'}\n{tmp_path / 'old.jsonl'}\n"
        )
        former = ["--former-journals", str(tmp_path / "former.txt")]
        renamed = spec(openai(server), judge_name="grader")
        rows = study.judge(single, renamed, "mine", *former)
        assert len(server.requests) == asked == 12
        assert [row.score for row in rows] == [7.0] * 12
        assert "12 replies taken over from journals of earlier names" in capsys.readouterr().err
        (tmp_path / "j.jsonl").unlink()
        # Another temperature is another question: nothing fits.
        study.judge(single, spec(openai(server, temperature=0.7)), "mine", *former)
        assert len(server.requests) == 2 * asked


def test_only_journals_that_the_plan_does_not_name_are_former_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelmix.plan.lists import former_journals

    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    jobs = Jobs(Plan(build_config(demo())))
    own = Path(jobs.path("journals/judge/demo-bench.gpt.single/tiny.demo-EN.quick.s1.jsonl"))
    old = Path(jobs.path("journals/judge/demo-bench.gpt-4.single/tiny.demo-EN.quick.s1.jsonl"))
    for file in (own, old, old.with_suffix(".batches.jsonl")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert former_journals(jobs) == [str(old)]
