"""What graphs, compiling and bfloat16 do for a learner's update on a CPU: CPU time on one thread.

    python benchmarks/modes.py [--algo sac] [--calls 40] [KEY=VALUE ...]        e.g. critic_hidden=256,256

The modes take turns, one call each, on dog-run's dimensions; medians over the calls of each kind, weighted as the
schedule has them, and ratios to eager float32. Start it with the variables of `planning/process_env.py` to see them.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from dimebench.agents.base import Batch, Dims
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.execution import ExecutableAgent
from dimebench.training.execution.modes import Learner, prepare
from dimebench.training.rng import Streams, generator

DOG = Dims(obs=223, act=38)
WAYS = [(mode, precision) for precision in ("float32", "bf16") for mode in ("eager", "graph", "compile")]


def batch(rows: int) -> Batch:
    obs, next_obs = torch.randn(1, rows, DOG.obs), torch.randn(1, rows, DOG.obs)
    action, reward = torch.tanh(torch.randn(1, rows, DOG.act)), torch.rand(1, rows)
    return Batch(obs, action, reward, next_obs, torch.zeros(1, rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--algo", default="sac")
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("words", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    algorithm = load_algorithm(args.algo)
    values = dict(word.split("=") for word in args.words)
    settings = algorithm.Settings(**{key: tuple(map(int, value.split(","))) for key, value in values.items()})
    agents: dict[tuple[str, str], ExecutableAgent] = {}
    learners: dict[tuple[str, str], Learner] = {}
    for way in WAYS:
        agent = algorithm(DOG, settings, [generator(0, "parameters")], "cpu")
        assert isinstance(agent, ExecutableAgent)
        agents[way], learners[way] = agent, prepare(agent, "cpu", *way)
    noise = Streams([0], ["update"], "cpu")
    times: dict[tuple[str, str], dict[int, list[float]]] = {way: {} for way in WAYS}
    for _ in range(args.calls):
        for way, agent in agents.items():
            given, drawn = batch(settings.batch_size * settings.utd), noise.normal("update", agent.update_noise())
            kind, began = (
                len(agent.actor_updates()),
                time.process_time(),
            )
            learners[way].update(given, drawn)
            times[way].setdefault(kind, []).append(time.process_time() - began)
    share = settings.utd / settings.policy_delay  # actor updates per call
    mean = {}
    for way, of_kind in times.items():
        low, high = min(of_kind), max(of_kind)
        medians = {kind: statistics.median(found[4:] or found) for kind, found in of_kind.items()}
        mean[way] = medians[low] + (share - low) * (medians[high] - medians[low])
        ratio = mean[WAYS[0]] / mean[way]
        print(f"{args.algo:14s}{way[0]:9s}{way[1]:9s}{mean[way] * 1e3:9.2f} ms a call, {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
