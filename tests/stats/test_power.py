"""How many seeds: the formula, and the simulation of the verdict's own rule."""

from __future__ import annotations

import numpy as np
import pytest

from dimebench.stats import how_many_seeds
from dimebench.stats.power import Design, seeds_to_decide, seeds_to_equate, simulate
from dimebench.stats.testing.arrangements import fewest_testable


def pilot(spread: float = 0.1, seeds: int = 10, tasks: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    runs = [rng.normal(size=seeds) for _ in range(tasks)]
    return [0.5 + spread * (task - task.mean()) / task.std(ddof=1) for task in runs]


def test_fewer_seeds_find_a_larger_difference() -> None:
    design = Design.of(pilot(), pilot())
    needed = [seeds_to_decide(design, d) for d in (0.2, 0.1, 0.05, 0.02)]
    assert needed == sorted(needed)
    assert needed[0] < 6 < 50 < needed[-1]
    assert seeds_to_decide(design, 0.0) is None
    assert seeds_to_decide(design, 1e-5) is None


def test_a_quarter_of_the_difference_needs_sixteen_times_the_seeds() -> None:
    design = Design.of(pilot(), pilot())
    few, many = seeds_to_decide(design, 0.06), seeds_to_decide(design, 0.015)
    assert many / few == pytest.approx(16, rel=0.12)


def test_a_stricter_level_and_a_higher_chance_need_more() -> None:
    design = Design.of(pilot(), pilot())
    plain = seeds_to_decide(design, 0.05)
    assert seeds_to_decide(design, 0.05, alpha=0.005) > plain
    assert seeds_to_decide(design, 0.05, chance=0.95) > plain


def test_equivalence_needs_room_between_difference_and_margin() -> None:
    design = Design.of(pilot(), pilot())
    assert seeds_to_equate(design, 0.0, 0.1) < seeds_to_equate(design, 0.05, 0.1)
    assert seeds_to_equate(design, 0.1, 0.1) is None


def test_so_few_runs_that_no_permutation_test_can_reject_are_never_enough() -> None:
    assert [fewest_testable(tasks, 0.05) for tasks in (1, 2, 7)] == [4, 3, 2]
    assert seeds_to_decide(Design.of(pilot(0.001, tasks=1), pilot(0.001, tasks=1)), 0.9) == 4


def test_simulated_power_is_the_error_rate_at_no_difference_and_rises_with_it() -> None:
    rng = np.random.default_rng(0)
    found = [simulate(pilot(), pilot(), d, 6, rng=rng, simulations=120).power for d in (0.0, 0.05, 0.15)]
    assert found[0] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)
    assert found[0] < found[1] < found[2]
    assert found[2] > 0.95


def test_the_answer_is_the_least_number_tried_that_reaches_the_chance() -> None:
    found = how_many_seeds(pilot(), pilot(), 0.12, rng=np.random.default_rng(0), simulations=120)
    by_seeds = {point.seeds: point.power for point in found.simulated}
    assert by_seeds[found.seeds] >= 0.8
    assert all(power < 0.8 for seeds, power in by_seeds.items() if seeds < found.seeds)
    assert abs(found.seeds - found.by_formula) <= 3
    again = how_many_seeds(pilot(), pilot(), 0.12, rng=np.random.default_rng(0), simulations=120)
    assert again == found


def test_what_needs_very_many_seeds_is_answered_by_the_formula_alone() -> None:
    found = how_many_seeds(pilot(), pilot(), 0.01, rng=np.random.default_rng(0))
    assert found.simulated == ()
    assert found.seeds == found.by_formula > 100
