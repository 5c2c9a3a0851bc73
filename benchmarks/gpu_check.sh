#!/usr/bin/env bash
# Everything that needs a GPU, in one command, from the root of a checkout with the package installed:
#   bash benchmarks/gpu_check.sh [RESULTS_DIR]
# Golden cases and tests on the device, then a short real training with all seeds of a cell in one process.
set -euo pipefail
cd "$(dirname "$0")/.."
results=${1:-$(mktemp -d)}
python=${PYTHON:-python3}
$python - <<'PY'
import sys, torch
if not torch.cuda.is_available():
    sys.exit("gpu_check: torch sees no CUDA device")
print(torch.cuda.get_device_name(), torch.__version__)
PY
$python -m pytest tests/golden tests/agents -q
$python -m pytest tests/training -q -m gpu
$python -m dimebench.cli.main run suite=quick algo=dime,dime-gaussian,crossq,sac,random --seeds 10 --device cuda --results "$results"
$python -m dimebench.cli.main status --results "$results"
$python -m dimebench.cli.main compare dime sac suite=quick --results "$results"
