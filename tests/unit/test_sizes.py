"""What jobs ask of the machine: memory and time from the configuration and the inputs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.study import mini_config

from babelmix.config.load import build_config
from babelmix.plan import Jobs, Plan, sizes


def jobs(**model: object) -> Jobs:
    config = mini_config()
    config["models"]["tiny"] |= model
    return Jobs(Plan(build_config(config)))


RUN = "tiny.mono-EN.quick.s1"


def test_memory_grows_with_the_inputs_and_with_each_attempt(tmp_path: Path) -> None:
    small, large = tmp_path / "a", tmp_path / "b"
    small.write_bytes(b"x")
    with large.open("wb") as handle:
        handle.truncate(500_000_000)
    assert sizes.memory([str(small)], 1, 2000) == 2000
    assert sizes.memory([str(small)], 3, 2000) == 6000
    assert sizes.memory([str(small), str(large)], 1, 2000) == pytest.approx(10_300, abs=1)
    with pytest.raises(FileNotFoundError):  # Snakemake then asks again when the input is there
        sizes.memory([str(tmp_path / "none")], 1, 2000)


def test_time_is_bounded_and_grows() -> None:
    assert sizes.minutes(1, 1) == sizes.LEAST_MINUTES
    assert sizes.minutes(1, 2) == 2 * sizes.LEAST_MINUTES
    assert sizes.minutes(36_000, 1) == 1800
    assert sizes.minutes(1e9, 1) == sizes.MOST_MINUTES


def test_a_training_without_a_known_size_gets_half_a_day() -> None:
    planned = jobs(parameters_b=None)
    assert planned.train_minutes(RUN, 1) == 720
    assert planned.train_minutes(RUN, 2) == 1440


def test_more_gpus_need_less_time_and_more_parameters_more() -> None:
    long = {"max_steps": 20_000, "max_length": 2048, "batch_size": 128}

    def of(**model: object) -> int:
        config = mini_config()
        config["models"]["tiny"] |= {"device": "cuda", **model}
        config["training"]["quick"] |= long
        return Jobs(Plan(build_config(config))).train_minutes(RUN, 1)

    assert of(parameters_b=7, gpus=8) < of(parameters_b=7, gpus=4) <= of(parameters_b=30, gpus=4)
    assert of(parameters_b=7, gpus=8, nodes=2) < of(parameters_b=7, gpus=8)


def test_one_node_asks_for_gpus_and_nothing_of_many_nodes() -> None:
    planned = jobs(gpus=2, device="cuda")
    assert planned.gpus_on_one_node(RUN) == 2
    assert planned.launcher(RUN, 4) == ""
    many = (planned.nodes, planned.gpus_by_node, planned.srun, planned.no_tasks_by_gpu)
    assert [ask(RUN) for ask in many] == [None] * 4


def test_several_nodes_start_the_verb_once_on_each() -> None:
    planned = jobs(gpus=2, nodes=3, device="cuda")
    assert planned.gpus_on_one_node(RUN) is None
    assert (planned.nodes(RUN), planned.gpus_by_node(RUN), planned.srun(RUN)) == (
        3,
        "gpu:2",
        "srun",
    )
    assert planned.no_tasks_by_gpu(RUN) == 0
    line = planned.launcher(RUN, 4)
    for part in ("--nodes=3 ", "--ntasks=3 ", "--ntasks-per-node=1 ", "--gres=gpu:2 "):
        assert part in line


def test_jobs_of_one_key_share_a_rate_limit_and_no_others() -> None:
    planned = jobs()
    assert planned.judge_keys == planned.translator_keys == {}
    config = mini_config()
    config["judges"] = {
        "rules": {"engine": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"},
        "gpt": {"engine": "openai", "model": "m"},
        "gpt-mini": {"engine": "openai", "model": "n"},
        "other": {"engine": "openai", "model": "m", "key_env": "OTHER_KEY"},
        "elsewhere": {"engine": "openai", "model": "m", "base_url": "https://api.example.org/v1"},
    }
    evaluations = config["studies"]["demo"]["evaluations"]
    evaluations += [evaluations[0] | {"judge": name} for name in list(config["judges"])[1:]]
    config["translators"] = {"memory": {"backend": "deepl"}} | {
        name: {"backend": "deepl"} for name in config["translators"]
    }
    paid = Jobs(Plan(build_config(config)))
    assert list(paid.judge_keys) == [
        "judge_openai_api_key_127_0_0_1_9",
        "judge_openai_api_key_api_openai_com",
        "judge_other_key_api_openai_com",
        "judge_openai_api_key_api_example_org",
    ]
    taken = {
        name: [resource for resource, of in paid.judge_keys.items() if of(wildcards)]
        for name in config["judges"]
        for wildcards in [SimpleNamespace(evaluation=f"demo-bench.{name}.single")]
    }
    assert taken["gpt"] == taken["gpt-mini"] == ["judge_openai_api_key_api_openai_com"]
    assert len({tuple(resources) for resources in taken.values()}) == 4
    (deepl,) = paid.translator_keys
    assert deepl == "translator_deepl_auth_key_deepl"
    assert paid.translator_keys[deepl](SimpleNamespace(dataset="demo", lang="de")) == 1


def test_the_profile_limits_jobs_per_key_and_may_name_one() -> None:
    config = mini_config()
    config["judges"]["rules"] = {"engine": "openai", "model": "m"}
    paid = Jobs(Plan(build_config(config)))
    (key,) = paid.judge_keys
    limits: dict[str, Any] = {"judge": 2, "translator": 1}
    paid.limit_keys(limits)
    assert limits == {"judge": 2, "translator": 1, key: 2}
    limits = {"judge": 2, key: 7}
    paid.limit_keys(limits)
    assert limits == {"judge": 2, key: 7}
    limits = {}
    paid.limit_keys(limits)
    assert limits == {}
