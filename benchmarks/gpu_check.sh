#!/usr/bin/env bash
# Everything that needs a GPU, in one command of under 10 minutes, from the root of a checkout with the package installed:
#   bash benchmarks/gpu_check.sh [RESULTS_DIR]
# Golden cases and tests on the device; the modes against each other, throughput, memory and a profile of one update
# (gpu_check.py); what this machine reaches beside its floor (`dimebench bench`); a short real training.
set -euo pipefail
cd "$(dirname "$0")/.."
results=${1:-$(mktemp -d)}
python=${PYTHON:-python3}
export CUBLAS_WORKSPACE_CONFIG=:4096:8 MUJOCO_GL=${MUJOCO_GL:-disabled}
$python - <<'PY'
import sys, torch
if not torch.cuda.is_available():
    sys.exit("gpu_check: torch sees no CUDA device")
print(torch.cuda.get_device_name(), torch.__version__)
PY
GOLDEN_DEVICE=cuda $python -m pytest tests/golden -q -m "not slow"
$python -m pytest tests/training -q -m gpu
$python benchmarks/gpu_check.py --quick
$python -m dimebench.cli.main bench algo=dime,crossq,sac task=dog-run --seeds 10 --device cuda --seconds 10
$python -m dimebench.cli.main run suite=quick algo=dime,dime-gaussian,crossq,sac,random --seeds 10 --device cuda --results "$results"
$python -m dimebench.cli.main status --results "$results"
$python -m dimebench.cli.main compare dime sac suite=quick --results "$results"
