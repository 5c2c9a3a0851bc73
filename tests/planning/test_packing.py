"""Blocks onto GPUs: everything once, never more memory than there is, the longest first, and not much time lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimebench.planning.packing import Gpu, Item, Placed, blocks_per_gpu, in_turn, longest_first, place, schedule

MEMORY = 100
Numbers = st.lists(st.tuples(st.integers(1, MEMORY), st.integers(1, 50)), min_size=1, max_size=40)
items = Numbers.map(lambda all_: [Item(f"{i}", memory, seconds) for i, (memory, seconds) in enumerate(all_)])
small_items = Numbers.map(lambda all_: [Item(f"{i}", 1 + m // 5, seconds) for i, (m, seconds) in enumerate(all_)])
gpus = st.lists(st.integers(50, 200), min_size=1, max_size=6).map(
    lambda sizes: [Gpu(str(i), size) for i, size in enumerate(sizes)]
)


def at(placed: list[Placed], time: float, gpu: int) -> list[Item]:
    return [each.item for each in placed if each.gpu == gpu and each.begin <= time < each.end]


@given(items, gpus, st.integers(1, 5))
def test_every_item_is_placed_once_and_no_gpu_holds_more_than_it_has(
    items: list[Item], gpus: list[Gpu], most: int
) -> None:
    placed = schedule(items, gpus, most)
    assert sorted(each.item.name for each in placed) == sorted(item.name for item in items)
    largest = max(gpu.memory for gpu in gpus)
    for begin in {each.begin for each in placed}:
        for number, gpu in enumerate(gpus):
            beside = at(placed, begin, number)
            assert len(beside) <= most
            fits = sum(item.memory for item in beside) <= gpu.memory
            assert fits or (len(beside) == 1 and beside[0].memory > largest == gpu.memory)


@given(items, gpus, st.integers(1, 5))
def test_nothing_waits_while_it_would_fit_and_the_longest_comes_first(
    items: list[Item], gpus: list[Gpu], most: int
) -> None:
    placed = schedule(items, gpus, most)
    for one in placed:
        for other in placed:
            if one.item.memory == other.item.memory and one.item.seconds > other.item.seconds:
                assert one.begin <= other.begin
    for each in placed:
        if each.begin > 0:  # just before it began there was no room anywhere
            before = max(end.end for end in placed if end.end <= each.begin) - 0.5
            running = [at(placed, before, number) for number in range(len(gpus))]
            assert place(each.item, gpus, running, most) is None


@given(items, st.integers(1, 6), st.integers(1, 5))
def test_the_time_lost_is_bounded(items: list[Item], count: int, most: int) -> None:
    """On equal GPUs. While something waits, each is full by count, or more than half full by memory.

    Or all that waits needs more than half of one: then what is in the way ends within the longest item's time.
    """
    equal = [Gpu(str(i), MEMORY) for i in range(count)]
    makespan = max(each.end for each in schedule(items, equal, most))
    longest = max(item.seconds for item in items)
    by_memory = sum(item.seconds * item.memory for item in items) / (count * MEMORY)
    by_count = sum(item.seconds for item in items) / (count * most)
    assert makespan >= max(longest, by_memory, by_count) - 1e-9
    assert makespan <= 2 * longest + 2 * by_memory + by_count + 1e-9


@given(small_items, st.integers(1, 6))
def test_of_small_blocks_little_memory_is_left_idle(items: list[Item], count: int) -> None:
    equal = [Gpu(str(i), MEMORY) for i in range(count)]
    makespan = max(each.end for each in schedule(items, equal, most=100))
    area = sum(item.seconds * item.memory for item in items) / (count * MEMORY)
    assert makespan <= max(item.seconds for item in items) + area / (1 - 0.21) + 1e-9


def test_a_benchmark_of_three_algorithms_on_four_gpus_is_done_within_a_tenth_of_what_is_possible() -> None:
    kinds = {"dime": (24, 40.0), "crossq": (22, 20.0), "sac": (15, 8.0)}
    items = [Item(f"{name}-{i}", memory, hours) for name, (memory, hours) in kinds.items() for i in range(7)]
    placed = schedule(items, [Gpu(str(i), 80) for i in range(4)])
    by_memory = sum(item.memory * item.seconds for item in items) / (4 * 80)
    assert max(each.end for each in placed) <= 1.1 * max(by_memory, 40.0)
    assert [each.item.name[:4] for each in placed[:7]] == ["dime"] * 7


def test_the_emptier_gpu_is_chosen() -> None:
    item, other = Item("a", 10, 1.0), Item("b", 20, 1.0)
    two = [Gpu("0", 100), Gpu("1", 50)]
    assert place(item, two, [[], []]) == 0
    assert place(item, two, [[other], []]) == 1
    assert place(item, two, [[other], [other]]) == 0
    assert place(item, two, [[other], [other]], most=1) is None


def test_what_no_gpu_could_hold_is_tried_alone_on_the_largest() -> None:
    huge, two = Item("a", 500, 1.0), [Gpu("0", 100), Gpu("1", 50)]
    assert place(huge, two, [[], []]) == 0
    assert place(huge, two, [[Item("b", 1, 1.0)], []]) is None


def test_order_is_by_time_then_memory_then_name() -> None:
    items = [Item("c", 1, 2.0), Item("b", 9, 2.0), Item("a", 1, 2.0), Item("d", 1, 3.0)]
    assert [item.name for item in longest_first(items)] == ["d", "b", "a", "c"]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.integers(1, 8))
def test_in_turn_nobody_is_idle_while_something_waits(seconds: list[float], workers: int) -> None:
    taken, ordered = in_turn(seconds, workers), sorted(seconds, reverse=True)
    least = max(
        ordered[0], sum(ordered) / workers, sum(ordered[workers - 1 : workers + 1]) if len(ordered) > workers else 0.0
    )
    assert least - 1e-6 <= taken <= ordered[0] + sum(ordered) / workers + 1e-6


@pytest.mark.parametrize(("cores", "gpus", "per_gpu"), [(64, 8, 4), (16, 8, 1), (32, 8, 2), (1, 1, 1), (4, 8, 1)])
def test_fewer_blocks_share_a_gpu_where_cores_are_few(cores: int, gpus: int, per_gpu: int) -> None:
    assert blocks_per_gpu(cores, gpus) == per_gpu


def test_a_gpu_takes_more_blocks_with_more_cores() -> None:
    assert all(blocks_per_gpu(a, 4) <= blocks_per_gpu(b, 4) for a, b in pairwise(range(1, 80)))
