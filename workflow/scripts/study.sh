#!/usr/bin/env bash
# Run one study for a person: BIN CONFIG CORES [snakemake options]. Says at the end where the report is.
set -euo pipefail
bin=$1 config=$2 cores=$3
shift 3
name=$("$bin/python" -c 'import sys; from babelmix.config.load import read_yaml; print(read_yaml(sys.argv[1])["study_set"])' "$config")
began=$SECONDS
# A lock that outlived its snakemake (kill -9) is taken away; a living one keeps it.
if ! pgrep -f "snakemake --configfile $config" > /dev/null; then
  "$bin/snakemake" --configfile "$config" --cores 1 --unlock --quiet all > /dev/null 2>&1 || true
fi
state=$("$bin/snakemake" --configfile "$config" --cores 1 --dry-run 2>&1 || true)
if [[ $state == *"Nothing to be done"* ]]; then
  echo "$name: nothing to do, everything is up to date ($((SECONDS - began)) s). Report: results/$name/report/index.html"
  exit 0
fi
# One line a finished job and the progress; errors come through whole.
"$bin/snakemake" --configfile "$config" --cores "$cores" --quiet rules reason host "$@" 2>&1 \
  | grep --line-buffered -vE '^(Select jobs to execute|Execute [0-9]+ jobs|Finished jobid|\[[A-Z][a-z]{2} [A-Z]|$)'
echo "$name: done in $((SECONDS - began)) s. Open results/$name/report/index.html in a browser."
