"""What was expected before a GPU was asked, to stand beside what it says.

Times are those of a model (kernels counted in generated code, products and bytes at the rates of an H100); nothing in
it was measured. `docs/benchmarks.md` says the same, and how they came about: change both.
"""

from __future__ import annotations

from typing import Any

# By part and the name of a case there: the values that were predicted.
_PREDICTED: dict[tuple[str, str], dict[str, Any]] = {
    ("figures", "dime S=1 compile+graph tf32"): {"ms_per_step": 2.5},
    ("figures", "dime S=4 compile+graph tf32"): {"ms_per_step": 3.7},
    ("figures", "dime S=10 compile+graph tf32"): {"ms_per_step": 7.3, "env_steps_per_s": 1370},
    ("figures", "dime S=1 compile+graph tf32 fused chain"): {"ms_per_step": 1.6},
    ("figures", "dime S=10 compile+graph tf32 fused chain"): {"ms_per_step": 4.5, "env_steps_per_s": 2200},
    ("kernels", "dime S=1 compile+graph tf32"): {"kernels_per_step": 664},
    ("kernels", "dime S=10 compile+graph tf32"): {"kernels_per_step": 664},
}


# IQM and its 95% interval over 10 seeds after 96,000 env steps, 5 stochastic episodes each: the authors' curves
# (ALRhub/DIME, MIT). They ran MuJoCo 2.3.7 and dm_control 1.0.14; walker's physics have changed since.
PUBLISHED_AT_96K = {"dm_control/walker-run": (688.0, 670.0, 724.0)}


def predicted(part: str, name: str) -> dict[str, Any]:
    """The values predicted for a case; {} where nobody said anything."""
    return _PREDICTED.get((part, name), {})
