#!/usr/bin/env bash
# Fetch what a machine with torch, transformers, accelerate and peft but no network lacks for
# `make test-gpu`, as wheels: tests/gpu/wheels.sh FOLDER [PYTHON VERSION, default 3.12].
# Pins come from requirements.lock; DeepSpeed has no wheel and is built (Python alone, no compiler).
set -euo pipefail
folder=${1:?folder to fetch into}
version=${2:-3.12}
python=${PYTHON:-python3}
cd "$(dirname "$0")/../.."
pin() { grep -E "^$1==" requirements.lock || echo "$1"; }
platforms=()
for name in manylinux_2_28 manylinux_2_27 manylinux_2_24 manylinux_2_17 manylinux2014 manylinux1; do
  platforms+=(--platform "${name}_x86_64")
done
mkdir -p "$folder"
fetch() {
  "$python" -m pip download --quiet --no-deps --only-binary=:all: --implementation cp \
    --python-version "$version" "${platforms[@]}" --dest "$folder" "$@"
}
fetch "$(pin pydantic)" "$(pin pydantic-core)" "$(pin annotated-types)" "$(pin typing-inspection)" \
  "$(pin hjson)"
"$python" -m pip wheel --quiet --no-deps --wheel-dir "$folder" "$(pin deepspeed)"
# Peers and Liger: steps that need them are skipped without.
fetch liger-kernel "trl==1.16.0" "$(pin datasets)" "$(pin multiprocess)" "$(pin dill)" \
  || echo "Liger and TRL could not be fetched; their steps will be skipped" >&2
du -sh "$folder"
