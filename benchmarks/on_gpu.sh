#!/bin/sh
# Usage: benchmarks/on_gpu.sh [PYTHON]
# Check on the GPU what is promised of it, and measure: under 9 minutes on an H200. Writes
# $OUT/on_gpu.json and $OUT/on_gpu.log. Without a GPU it says so, and runs the same in small on the
# CPU. Wheels that PYTHON lacks may lie in .whl/ at the top of the project.
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3}
OUT=${OUT:-.}
export PYTHONPATH="$PWD/src:${PYTHONPATH:-}" PYTHONUNBUFFERED=1
if ls .whl/*.whl >/dev/null 2>&1; then
    site=$(mktemp -d)
    "$python" -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$site" \
        .whl/*.whl
    export PYTHONPATH="$PYTHONPATH:$site"
fi
"$python" benchmarks/on_gpu.py --out "$OUT/on_gpu.json" 2>&1 | tee "$OUT/on_gpu.log"
grep -q '"failed": \[\]' "$OUT/on_gpu.json"
