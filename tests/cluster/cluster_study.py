"""A mini study that runs through the SLURM profile, on the toy SLURM."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import toy_slurm
from tests.study import ROOT, Study

#: Where `make test-cluster` puts the executor, apart from the environment that all else runs in.
EXECUTOR = ROOT / ".venv" / "slurm"


@dataclass(frozen=True)
class SlurmJob:
    """One job, as SLURM's own record of ended jobs has it."""

    job: str
    name: str
    state: str
    partition: str
    node: str
    minutes: str


def ended_jobs() -> list[SlurmJob]:
    """Every end of a job since SLURM started; a requeued one has several under one id."""
    file = toy_slurm.HOME / "log" / "jobs.txt"
    found = []
    for line in file.read_text().splitlines() if file.is_file() else []:
        known = dict(re.findall(r"(\w+)=(\S*)", line))
        found.append(
            SlurmJob(
                known["JobId"],
                known["Name"],
                known["JobState"],
                known["Partition"],
                known["NodeList"],
                known["TimeLimit"],
            )
        )
    return found


class ClusterStudy(Study):
    """`run` and `start` submit to SLURM; `resources` goes before the profile's own."""

    resources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def command(self, *options: str) -> list[str]:
        profile = self.folder / "slurm"
        if not profile.exists():
            self._write_profile(profile)
        command = super().command()
        command = command[: command.index("--cores")]
        return [
            *command,
            *("--profile", "none", "--workflow-profile", str(profile)),
            *(("--set-resources", *self.resources) if self.resources else ()),
            *options,
            *(("--", *self.targets) if self.targets else ()),
        ]

    def _write_profile(self, folder: Path) -> None:
        """The shipped profile with what a user sets, and shorter waits."""
        shutil.copytree(ROOT / "workflow" / "profiles" / "slurm", folder)
        file = folder / "config.yaml"
        text = file.read_text(encoding="utf-8")
        for before, after in {
            "slurm_account: your-account": "slurm_account: study",
            "status-checks: 20": "status-checks: 3",
            "latency-wait: 60": "latency-wait: 10",
        }.items():
            assert before in text
            text = text.replace(before, after)
        file.write_text(text, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        places = [str(self.root / "workflow")]
        if EXECUTOR.is_dir():
            places.append(str(EXECUTOR))
        hidden = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
        return hidden | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(places)}

    def start_logged(self, log: Path) -> subprocess.Popen[str]:
        """Start it beside the test, its words in a file."""
        with log.open("w") as out:
            return subprocess.Popen(
                self.command(),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
            )

    def check(self, *options: str) -> subprocess.CompletedProcess[str]:
        """`check --cluster` as a user would type it in the study's folder."""
        file = self.folder / "config.yaml"
        file.write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")
        command = [*(sys.executable, "-m", "babelmix", "check"), "--config", str(file), *options]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )

    def with_config(self, config: dict[str, Any]) -> ClusterStudy:
        """The same folder under another configuration."""
        return ClusterStudy(self.folder, config)
