"""Sizes: more rows asked for than the local files can give, whatever the audit leaves of them."""

from __future__ import annotations

from ...errors import BabelmixError
from ...mixtures.select import mixed_count
from ...mixtures.shares import resolve
from ..graph import Plan
from ..nominal import estimates
from ..quantities import known_rows, pool_rows, training_ids


def size_problems(plan: Plan) -> list[str]:
    """Return what pools and mixtures would refuse for lack of rows.

    Only pools whose sources are all here are looked at, at the most rows that they can have;
    budgets in tokens are left to the job.
    """
    problems = []
    # Of a pool that is not parallel each language has its own rows: left to the job.
    known = {d for d in plan.datasets if plan.dataset(d).parallel}
    known = {d for d in known if known_rows(plan, d) is not None}
    for dataset in known:
        pool, held = plan.dataset(dataset), known_rows(plan, dataset) or 0
        if pool.rows is not None and pool.rows > held:
            problems.append(
                f"datasets.{dataset}.rows asks for {pool.rows} rows, and its sources hold {held}. "
                f"Ask for at most {held}, or leave `rows` out to take all."
            )
        elif pool.dev_rows and pool_rows(plan, dataset) <= pool.dev_rows:
            problems.append(
                f"datasets.{dataset}: its {pool_rows(plan, dataset)} rows leave none for training "
                f"when `dev_rows: {pool.dev_rows}` are held out. Lower `dev_rows`."
            )
    for name in plan.mixtures:
        spec = plan.expansion.mixtures[name]
        if not known.issuperset(spec.datasets) or any(n.tokens for n in spec.nodes):
            continue
        try:
            resolve(spec, estimates(spec, lambda leaf: training_ids(plan, leaf), lambda _: 0.0))
            for leaf in spec.leaves:
                mixed_count(training_ids(plan, leaf), leaf)
        except BabelmixError as error:
            problems.append(str(error))
    return problems
