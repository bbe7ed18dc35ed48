"""What is settled once before several processes start: batching, and the checkpoint to resume from.

``python -m babelmix.train.ready JOB.json`` runs before torchrun does, on the first node.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..errors import BabelmixError
from ..io import write_text
from .job import Job

#: Exit status: nothing is left to train, for it was done before under another name.
ADOPTED = 10


def make_ready(job: Job) -> bool:
    """Find the batching, and convert a checkpoint that another number of devices wrote.

    Says whether there is anything to train.
    """
    from .. import provenance
    from .adopt import adopt
    from .checkpoints import newest_whole
    from .launch import node_count
    from .universal import to_universal
    from .worker import make_plan

    plan = make_plan(job)
    provenance.resume(job.made_by, [job.completed])
    # Other nodes' processes wait for this one's: they would wait for ever.
    if node_count() == 1 and adopt(job, plan.training):
        return False
    found = newest_whole(job.work, training=plan.training)
    deepspeed = job.spec.recipe.deepspeed
    if found is None or found.devices == job.devices or deepspeed is None or not deepspeed.stage:
        return True
    print(
        f"{job.spec.run}: {found.folder} was written on {found.devices} device(s), and there are "
        f"{job.devices} now; converting it",
        file=sys.stderr,
    )
    assert deepspeed.stage != "auto", "settled before any process starts"
    to_universal(found.folder, deepspeed.stage, job.threads, job.spec.run)
    return True


def main() -> None:
    """Run for the job named on the command line; a complaint is left where `launch` looks."""
    from .launch import complaint_file

    job = Job.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        left = make_ready(job)
    except BabelmixError as error:
        write_text(complaint_file(job.work), str(error))
        sys.exit(2)
    sys.exit(0 if left else ADOPTED)


if __name__ == "__main__":
    main()
