"""Shared by all tests: real data where BABELMIX_REAL_DATA names it, one thread a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure: the suite's own time limit holds.
settings.register_profile("babelmix", deadline=None)
settings.load_profile("babelmix")

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


#: Long suites, each with its own target of the Makefile: run where the variable is set.
LONG = {
    "cluster": "BABELMIX_TEST_CLUSTER",
    "faults": "BABELMIX_TEST_FAULTS",
    "providers": "BABELMIX_TEST_PROVIDERS",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests on real data where there is none, and long suites where nobody asked for them."""
    for marker, variable in LONG.items():
        if not os.environ.get(variable):
            left_out = pytest.mark.skip(reason=f"long; `make test-{marker}` runs it")
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(left_out)
    if os.environ.get("BABELMIX_REAL_DATA"):
        return
    skip = pytest.mark.skip(reason="needs real data: set BABELMIX_REAL_DATA to its folder")
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(skip)


@pytest.fixture
def real_data() -> Path:
    """The folder of real data."""
    return Path(os.environ["BABELMIX_REAL_DATA"])
