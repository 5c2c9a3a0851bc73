"""Does a long run stay flat? Memory and throughput of one training process over many env steps of suite `quick`.

    python benchmarks/flat.py [WORDS ...] [--steps 100000] [--core N]

One seed in one process on one core, trained as `dimebench run` does it: evaluations, logging and checkpoints
included, an evaluation every twentieth of the run. Printed: env steps per second, by the clock and by CPU time, of
the first and the last tenth after the warm-up (twice the random start), and resident memory at both ends. The replay
takes its memory as it fills: that part is named, and the rest is what must not grow.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("MUJOCO_GL", "disabled")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class Sample:
    """One look at the process."""

    env_step: int
    clock_s: float
    cpu_s: float
    rss_mb: float


class Sampler:
    """Keeps a sample at every progress event of a trainer, a few per second."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def __call__(self, event: dict[str, Any]) -> None:
        rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        self.samples.append(Sample(event["env_step"], time.monotonic(), time.process_time(), rss))

    def between(self, first: int, last: int) -> tuple[Sample, Sample]:
        """The samples nearest to two env steps."""
        near = [min(self.samples, key=lambda sample: abs(sample.env_step - step)) for step in (first, last)]
        return near[0], near[1]


def train(words: list[str], steps: int) -> tuple[Sampler, int, int]:
    """Train one seed; the samples, the env steps of its warm-up, and the replay's bytes per transition."""
    from dimebench.agents.registry import known_algorithms
    from dimebench.config import parse_words
    from dimebench.planning.identity import block_identity
    from dimebench.planning.plan import make_plan
    from dimebench.training.loop import Hooks, Trainer

    keys = {word.partition("=")[0] for word in words}
    defaults = {"suite": "quick", "algo": "sac", "task": "walker-stand", "evaluation.interval": str(steps // 20)}
    words = words + [f"{key}={value}" for key, value in defaults.items() if key not in keys] + [f"steps={steps}"]
    request = parse_words(words, algorithms=known_algorithms())
    sampler = Sampler()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        ((_, block),) = make_plan(request, [0], results, "cpu").blocks()
        trainer = Trainer(block, results, block_identity(block, results), Hooks(sampler, lambda: False))
        try:
            status = trainer.train()
        finally:
            trainer.close()
    if status != "finished":
        sys.exit(f"flat: the run ended as {status}")
    return sampler, 2 * trainer.settings.learning_starts, 4 * (trainer.spec.obs_dim + trainer.spec.act_dim + 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="as for `dimebench run`: algo=dime task=cartpole-swingup ...")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--core", type=int, help="run on this core (default: the last one)")
    args = parser.parse_args()
    core = max(os.sched_getaffinity(0)) if args.core is None else args.core
    os.sched_setaffinity(0, {core})
    sampler, start, row_bytes = train(args.words, args.steps)

    tenth = (args.steps - start) // 10
    a, b = sampler.between(start, start + tenth)
    y, z = sampler.between(args.steps - tenth, args.steps)
    print(f"{args.steps} env steps, {' '.join(args.words) or 'sac on walker-stand'}, core {core}")
    for name, unit in (("clock_s", "second"), ("cpu_s", "CPU second")):
        first, last = ((q.env_step - p.env_step) / (getattr(q, name) - getattr(p, name)) for p, q in ((a, b), (y, z)))
        print(f"env steps per {unit}: first tenth {first:.1f}, last tenth {last:.1f}, ratio {last / first:.3f}")
    replay = row_bytes * (z.env_step - a.env_step) / 1e6
    rest = z.rss_mb - replay
    print(f"resident memory: {a.rss_mb:.0f} MB after the warm-up, {z.rss_mb:.0f} MB at the end, of which the replay")
    print(f"filled {replay:.1f} MB meanwhile: ratio of the rest {rest / a.rss_mb:.3f}")
    print("by tenths, MB:", " ".join(f"{sampler.between(0, start + i * tenth)[1].rss_mb:.0f}" for i in range(11)))


if __name__ == "__main__":
    main()
