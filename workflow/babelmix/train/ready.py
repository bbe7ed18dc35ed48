"""What is settled once before several processes start: batching, and the checkpoint to resume from.

``python -m babelmix.train.ready JOB.json`` runs before torchrun does, on the first node.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import BabelmixError
from ..io import write_text
from .job import Job


def make_ready(job: Job) -> None:
    """Find the batching, and convert a checkpoint that another number of devices wrote."""
    from .checkpoints import newest_whole
    from .universal import to_universal
    from .worker import make_plan

    plan = make_plan(job)
    found = newest_whole(job.work, training=plan.training)
    deepspeed = job.spec.recipe.deepspeed
    if found is None or found.devices == job.devices or deepspeed is None or not deepspeed.stage:
        return
    print(
        f"{job.spec.run}: {found.folder} was written on {found.devices} device(s), and there are "
        f"{job.devices} now; converting it",
        file=sys.stderr,
    )
    to_universal(found.folder, deepspeed.stage, job.threads, job.spec.run)


def main() -> None:
    """Run for the job named on the command line; a complaint is left where `launch` looks."""
    from .launch import complaint_file

    job = Job.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        make_ready(job)
    except BabelmixError as error:
        write_text(complaint_file(job.work), str(error))
        sys.exit(2)


if __name__ == "__main__":
    main()
