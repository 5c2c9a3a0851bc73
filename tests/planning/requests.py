"""Requests at tiny budgets, from words as a user types them."""

from __future__ import annotations

from dimebench.agents.registry import known_algorithms
from dimebench.config import Request, parse_words

TINY = [
    *("suite=quick", "task=cartpole-swingup", "steps=40", "evaluation.interval=20", "evaluation.episodes=1"),
    *("budget.action_repeat=40", "all.learning_starts=10", "all.batch_size=4", "all.critic_hidden=[8]"),
]
WIDTHS = {"sac": "sac.actor_hidden=[8]", "crossq": "crossq.actor_hidden=[8]", "dime": "dime.score_hidden=[8]"}


def request(*more: str, algo: str = "sac") -> Request:
    """A run of seconds of the given algorithms."""
    names = {name.split(":")[0] for name in algo.split(",")}
    widths = [word for name, word in WIDTHS.items() if name in names]
    shared = TINY if names != {"random"} else [word for word in TINY if not word.startswith("all.")]
    words = dict(word.split("=", 1) for word in [*shared, *widths, f"algo={algo}", *more])
    return parse_words([f"{key}={value}" for key, value in words.items()], algorithms=known_algorithms())
