"""A server of one job: started, waited for, asked and stopped, however the job ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from tests.options import as_options
from tests.served_model import LikeVllm, varied

from babelmix.answer import server
from babelmix.answer.server import command_line, serving
from babelmix.cli import main
from babelmix.config.evaluation import Generation
from babelmix.errors import BabelmixError
from babelmix.io import read_records, write_json, write_records
from babelmix.records import Answer, Question
from babelmix.train.chat import Formatter, template_digest

ROOT = Path(__file__).resolve().parents[2]
SERVE = [sys.executable, "-m", "tests.served_model", "serve"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return varied(tiny_model.build(tmp_path_factory.mktemp("tiny")))


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in for `vllm serve` notes its process and its options."""
    path = tmp_path / "notes.json"
    monkeypatch.setenv("STAND_IN_NOTES", str(path))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'workflow'}{os.pathsep}{ROOT}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return path


def generation(*options: str, **settings: Any) -> Generation:
    told = {"engine": "vllm-server", "max_new_tokens": 16, "server_command": [*SERVE, *options]}
    return Generation.model_validate(told | settings)


def words(folder: Path, tmp_path: Path, asked: dict[str, Any], name: str = "out") -> list[str]:
    """The verb's command line for twelve questions."""
    rows = [Question(f"q{i}", "en", "c", [f"the cat {i}", "a dog"]) for i in range(12)]
    write_records(tmp_path / "q.parquet", rows, Question)
    template = Formatter.load(folder).template
    write_json(tmp_path / "done.json", {"template_digest": template_digest(template)})
    spec = {"version": 1, "run": "run-1", "benchmark": "b", "languages": ["en"], "device": "cpu"}
    spec |= {"trust_remote_code": False, "generation": asked, "system_prompts": {}}
    told = ["answer", *as_options(json.dumps(spec)), "--questions", str(tmp_path / "q.parquet")]
    told += ["--checkpoint", str(folder), "--completed", str(tmp_path / "done.json")]
    told += ["--journal", str(tmp_path / f"{name}.jsonl")]
    return [*told, "--output", str(tmp_path / f"{name}.parquet")]


def alive(process: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.1)


def test_a_job_s_own_server_answers_as_the_engine_in_this_process(
    folder: Path, tmp_path: Path, notes: Path
) -> None:
    plain = {"engine": "transformers", "max_new_tokens": 16}
    assert main(words(folder, tmp_path, plain, "here")) == 0
    asked = generation(tensor_parallel=2, data_parallel=4, max_model_len=200).model_dump()
    assert main(words(folder, tmp_path, asked, "there")) == 0
    here, there = (read_records(tmp_path / f"{n}.parquet", Answer) for n in ("here", "there"))
    assert here == there
    assert len(there) == 24
    told = json.loads(notes.read_text())
    assert not alive(told["pid"])
    port = int(told["args"][told["args"].index("--port") + 1])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    line = " ".join(told["args"])
    for option in (
        f"serve {folder} --host 127.0.0.1",
        "--served-model-name run-1",
        "--tensor-parallel-size 2",
        "--data-parallel-size 4",
        "--max-model-len 200",
        "--generation-config vllm",
    ):
        assert option in line
    log = (tmp_path / "there.server.log").read_text()
    assert "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_job_leaves_no_server_and_no_worker_behind(
    folder: Path, tmp_path: Path, notes: Path, number: signal.Signals
) -> None:
    asked = generation("--worker", "--by-rote").model_dump()
    job = subprocess.Popen(
        [sys.executable, "-m", "babelmix", *words(folder, tmp_path, asked)],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    journal = tmp_path / "out.jsonl"
    wait_for(lambda: journal.is_file() and journal.stat().st_size > 0)  # it answers by now
    told = json.loads(notes.read_text())
    assert alive(told["pid"])
    assert alive(told["worker"])
    job.send_signal(number)
    job.wait(timeout=60)
    wait_for(lambda: not alive(told["pid"]) and not alive(told["worker"]))
    if number == signal.SIGTERM:
        return
    # What had been answered is not asked again.
    lines = len(journal.read_text().splitlines())
    with LikeVllm(folder, by_rote=True) as server:
        own = {"engine": "openai", "base_url": server.base_url, "max_new_tokens": 16}
        assert main(words(folder, tmp_path, own, "other")) == 0
    # Another command is no other answer: the journal is resumed.
    assert main(words(folder, tmp_path, generation("--by-rote").model_dump())) == 0
    assert len(journal.read_text().splitlines()) >= lines
    assert read_records(tmp_path / "out.parquet", Answer) == read_records(
        tmp_path / "other.parquet", Answer
    )


def test_another_served_model_is_asked_again(folder: Path, tmp_path: Path, notes: Path) -> None:
    """Whoever named the wrong one, and puts it right, must not get its answers from the journal."""
    asked: dict[str, Any] = {"engine": "openai", "max_new_tokens": 16}
    for times, name in enumerate(("base", "tuned", "tuned"), start=1):
        with LikeVllm(folder, name=name, by_rote=True) as served:
            asked |= {"base_url": served.base_url, "served_model": name}
            assert main(words(folder, tmp_path, asked)) == 0
            # The probes before, and twelve questions of two turns where the journal has none.
            assert (len(served.requests) >= 24) is (times < 3)


def test_a_server_that_ends_is_quoted(
    folder: Path, tmp_path: Path, notes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(folder, tmp_path, generation("--die").model_dump())) == 2
    said = capsys.readouterr().err
    assert "The server ended (status 1)" in said
    assert "ValueError: no such option" in said
    assert not (tmp_path / "out.parquet").exists()


def test_a_server_that_is_never_ready_is_stopped(folder: Path, tmp_path: Path, notes: Path) -> None:
    slow = generation("--slow", "60", server_ready_s=3.0)
    with pytest.raises(BabelmixError, match="not ready after 3 s"), serving(slow, folder, "run-1"):
        pass
    if notes.is_file():  # it came as far as that
        assert not alive(json.loads(notes.read_text())["pid"])


def test_another_job_s_server_on_the_same_port_is_not_ours(
    folder: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs found the same port free; the other was first, and its `/health` asks for no key."""
    free = server._free_port
    with LikeVllm(folder, key="of another job", by_rote=True) as other:
        ports = [int(other.base_url.rsplit(":", 1)[1].removesuffix("/v1"))]
        monkeypatch.setattr(server, "_free_port", lambda: ports.pop() if ports else free())
        assert main(words(folder, tmp_path, generation("--by-rote").model_dump())) == 0
        assert ports == other.requests == []
    assert len(read_records(tmp_path / "out.parquet", Answer)) == 24


def test_a_command_that_is_not_there_is_named(folder: Path, notes: Path) -> None:
    nowhere = generation(server_command=["/nowhere/vllm", "serve"])
    words = "/nowhere/vllm cannot be started here .*No such file"
    with pytest.raises(BabelmixError, match=words), serving(nowhere, folder, "run-1"):
        pass


def test_options_are_written_as_the_command_line_has_them(folder: Path) -> None:
    options = {"enforce_eager": True, "enable_prefix_caching": False, "hf_overrides": {"a": 1}}
    told = generation(vllm_options=options, seed=3, gpu_memory_utilization=0.8)
    line = command_line(told, folder, "r", 8000, trust_remote_code=True)
    text = " ".join(line)
    assert '--enforce-eager --no-enable-prefix-caching --hf-overrides {"a": 1}' in text
    assert "--seed 3" in text
    assert "--gpu-memory-utilization 0.8" in text
    assert "--trust-remote-code" in text
    assert "data-parallel" not in text
