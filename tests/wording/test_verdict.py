"""The words: a verdict names variants, numbers, seeds, tasks, budget, confidence and what to beware of."""

from __future__ import annotations

import io
import re

import pytest

from dimebench import numbers
from dimebench.analysis.question import Question
from dimebench.stats import NumpyEngine, compare_all
from dimebench.tables.answer import plain_lines
from dimebench.wording.standing import standing
from dimebench.wording.verdict import caution, headline, sentence, sentences
from tests.analysis.factory import RUN, WALK, Book, two_variants
from tests.analysis.test_summary import of

TEN = [f * 10 for f in range(60, 70)]


def masked(text: str) -> str:
    """The sentence with its resampled numbers out of the way."""
    return re.sub(r"[+-]?\d\.\d+ to [+-]?\d\.\d+", "LOW to HIGH", text)


def test_sentence_of_a_claim() -> None:
    book = Book().cell("dime", RUN, TEN).cell("sac", RUN, [x - 300 for x in TEN])
    assert [masked(s) for s in sentences(of(book))] == [
        "dime is better than sac on quick (1 task, 10 seeds each, scored at 300 env steps): IQM 0.645 against 0.345, "
        "a difference of +0.300 (95% CI LOW to HIGH), studentised permutation test p < 0.001; a run of dime scores "
        "above a run of sac with probability 1.00 (95% CI LOW to HIGH)."
    ]


def test_sentence_reads_from_the_winners_side() -> None:
    book = Book().cell("dime", RUN, TEN).cell("sac", RUN, [x - 300 for x in TEN])
    turned = of(book, "sac", "dime")
    assert turned.comparisons[0].verdict == "B better"
    assert sentences(turned) == sentences(of(book, "dime", "sac"))


def test_sentence_of_an_undecided_comparison_says_why() -> None:
    book = Book().cell("dime", RUN, TEN).cell("sac", RUN, TEN[::-1])
    assert masked(sentences(of(book))[0]).startswith(
        "Undecided between dime and sac on quick (1 task, 10 seeds each, scored at 300 env steps), because the "
        "95% interval of the IQM difference contains 0: IQM 0.645 against 0.645, a difference of 0.000 (95% CI"
    )


def test_one_seed_has_no_interval_to_speak_of() -> None:
    book = Book().cell("dime", RUN, [700]).cell("sac", RUN, [300])
    assert sentences(of(book)) == (
        "Undecided between dime and sac on quick (1 task, 1 seed each, scored at 300 env steps), because one seed "
        "per task gives no interval: IQM 0.700 against 0.300, a difference of +0.400; a run of dime scores above a "
        "run of sac with probability 1.00.",
    )


CAUTION = (
    "Caution: with {} seeds the intervals of single IQMs hold the truth less often than they say{}; the difference's "
    "interval and the verdict hold from 4 seeds on{}."
)
ERRS = " and may err more often here"


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (2, CAUTION.format(2, "", ERRS)),
        (3, CAUTION.format(3, " (about 70% of the time on one task, 92% on seven)", ERRS)),
        (4, CAUTION.format(4, "", "")),
        (5, ""),
    ],
)
def test_few_seeds_carry_a_caution_about_that_many(seeds: int, words: str) -> None:
    book = Book().cell("dime", RUN, TEN[:seeds]).cell("sac", RUN, TEN[:seeds])
    found = of(book)
    assert caution(found.comparisons) == words
    assert words in sentences(found)[0]
    assert ("Caution" in sentences(found)[0]) == bool(words)


def test_a_caution_is_about_the_seeds_of_the_comparison() -> None:
    book = Book().cell("a", RUN, TEN[:4]).cell("b", RUN, TEN).cell("c", RUN, TEN)
    book.cell("random", RUN, TEN[:2])  # the floor is in no comparison
    found = of(book)
    for comparison in found.comparisons:
        text = sentence(comparison, found)
        assert ("Caution: with 4 seeds" in text) == ("Caution" in text) == ("a" in (comparison.a, comparison.b))


def test_without_a_finite_interval_the_sentence_says_so_and_why() -> None:
    book = Book().cell("dime", RUN, [700, 700]).cell("sac", RUN, [300, 300])
    (found,) = of(book).comparisons
    assert found.difference.interval is None
    text = sentences(of(book))[0]
    assert text.startswith("Undecided between dime and sac on quick")
    assert "because so few runs allow no p-value below 0.33:" in text
    assert "a difference of +0.400 (no finite 95% CI), studentised permutation test p = 0.33;" in text
    rows = [re.split("  +", line)[1:] for line in plain_lines(of(book), per_task=True)]
    assert ["+0.400 [unbounded]", "0.33", "0.33", "95%", "unbounded", "undecided"] in rows


def test_runs_left_out_and_diverged_stand_in_the_sentence_of_their_variants_only() -> None:
    book = two_variants().add("sac", RUN, 7, status="failed").add("sac", RUN, 8, [0, 1], status="running")
    book.add("sac", WALK, 9, [0, 1], status="diverged").cell("crossq", RUN, TEN[:3]).cell("crossq", WALK, TEN[:3])
    by_pair = dict(zip([(c.a, c.b) for c in of(book).comparisons], sentences(of(book)), strict=True))
    tail = " Left out: 1 failed run and 1 unfinished run. 1 diverged run counted with the lower bound."
    assert by_pair["dime", "sac"].endswith(tail)
    assert "Left out" not in by_pair["dime", "crossq"]


def test_several_comparisons_name_the_confidence_they_were_judged_at() -> None:
    book = Book().cell("a", RUN, TEN).cell("b", RUN, [x - 200 for x in TEN]).cell("c", RUN, [x - 400 for x in TEN])
    found = of(book)
    strongest = max(found.comparisons, key=lambda c: c.judged_at or 0.0)
    judged = re.search(r"Judged together with 2 other comparisons at ([\d.]+)%: (.+); adjusted p < 0.001\.",
                       sentence(strongest, found))  # fmt: skip
    assert judged is not None
    assert strongest.judged is not None
    assert (judged[1], judged[2]) == (
        numbers.percent(strongest.judged.confidence).rstrip("%"),
        f"{numbers.signed(strongest.judged.low)} to {numbers.signed(strongest.judged.high)}",
    )
    assert float(judged[1]) > 95
    assert standing(found.comparisons) == ["a is better than b and c"]


def test_what_is_undecided_among_several_says_at_which_confidence() -> None:
    book = Book()
    for shift, name in enumerate("abc"):
        book.cell(name, RUN, [600 + 40 * seed + 55 * shift for seed in range(6)])
    found = of(book)
    for comparison in found.comparisons:
        text = sentence(comparison, found)
        adjusted = comparison.adjusted_p
        assert adjusted is not None
        assert f"adjusted {numbers.p_value(adjusted)}." in text
        assert (" is better than " in text) == (adjusted <= 0.05)


def test_an_equivalence_names_the_interval_that_shows_it() -> None:
    book = Book().cell("dime", RUN, TEN).cell("sac", RUN, TEN[::-1])
    found = of(book, question=Question(delta=0.1, engine=NumpyEngine(200)))
    (comparison,) = found.comparisons
    assert comparison.judged is not None
    assert "equivalent within 0.1" in sentences(found)[0]
    bounds = f"{numbers.signed(comparison.judged.low)} to {numbers.signed(comparison.judged.high)}"
    assert f" Judged at 90%, by two one-sided tests: {bounds}." in sentences(found)[0]
    assert "adjusted" not in sentences(found)[0]


def test_tasks_left_out_show_in_the_count() -> None:
    book = two_variants().cell("dime", "dm_control/fish-swim", [1, 2])
    assert "(2 of 3 tasks, 3 seeds each," in sentences(of(book))[0]


def test_area_under_the_curve_is_named() -> None:
    score = {"kind": "auc", "lower": 0.0, "upper": 1000.0}
    book = Book().cell("dime", RUN, TEN, score=score).cell("sac", RUN, TEN, score=score)
    assert "scored by the area under the learning curve up to 300 env steps" in sentences(of(book))[0]


def test_one_variant_has_nothing_to_be_compared_with() -> None:
    sentence = sentences(of(Book().cell("dime", RUN, [700])))[0]
    assert sentence == (
        "dime on quick (1 task, 1 seed each, scored at 300 env steps): IQM 0.700; there is nothing to compare it "
        "with."
    )


def test_headlines() -> None:
    scores = {"a": [[0.9, 0.91, 0.92, 0.93, 0.94]], "b": [[0.1, 0.11, 0.12, 0.13, 0.14]]}
    better, worse = compare_all(scores, [("a", "b"), ("b", "a")], resamples=200)
    assert headline(better) == headline(worse) == "a is better than b"
    assert standing(compare_all({"a": scores["a"], "b": scores["a"]}, [("a", "b")], resamples=200)) == [
        "undecided between a and b"
    ]


def test_plain_lines_hold_verdict_tables_and_what_was_left_out() -> None:
    book = (
        two_variants().add("sac", RUN, 7, status="failed", reason="boom").cell("dime", "dm_control/fish-swim", [1, 2])
    )
    lines = plain_lines(of(book))
    assert lines[0].startswith("dime is better than sac on quick (2 of 3 tasks")
    assert any(line.startswith("random (floor)  0.0") for line in lines)
    assert any(line.split()[:2] == [RUN, numbers.raw(of(book).cell("dime", RUN).mean.point)] for line in lines)
    assert f"sac {RUN} seed 7  failed  boom" in lines
    assert "left out: dm_control/fish-swim (no runs of sac)" in lines
    assert all("\n" not in line for line in lines)


def test_terminal_tables_read_no_markup_in_names() -> None:
    from rich.console import Console

    from dimebench.tables.answer import render

    name = "dime:critic_hidden=[64,64]:[red]x"
    book = Book().cell(name, RUN, TEN[:3]).cell("sac", RUN, TEN[3:6])
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(of(book)))
    assert name in console.export_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.unit(-0.0001), "0.000"),
        (numbers.signed(-0.0004), "0.000"),
        (numbers.signed(0.25), "+0.250"),
        (numbers.signed(-0.25), "-0.250"),
        (numbers.raw(12345.6), "12,346"),
        (numbers.raw(734.25), "734.2"),
        (numbers.raw(-3.25), "-3.25"),
        (numbers.rate(1083.4), "1,083"),
        (numbers.rate(57_019.6, 4), "57,020"),
        (numbers.rate(72.236, 4), "72.24"),
        (numbers.rate(99.96), "100"),
        (numbers.rate(0.9784, 4), "0.9784"),
        (numbers.short_steps(0), "0"),
        (numbers.short_steps(25_000), "25k"),
        (numbers.short_steps(1_500_000), "1.5M"),
        (numbers.short_steps(999_900), "1M"),
        (numbers.duration(3.14), "3.1 s"),
        (numbers.duration(250), "4 min 10 s"),
        (numbers.duration(7500), "2 h 05 min"),
        (numbers.percent(1 - 0.05 / 3), "98.3%"),
        (numbers.percent(1 - 1e-6), "99.9999%"),
        (numbers.p_short(0.0131), "0.013"),
        (numbers.p_short(0.0004), "<0.001"),
        (numbers.p_short(0.05), "0.05"),
        (numbers.p_short(0.0496), "0.05"),
        (numbers.p_short(0.0504), "0.0504"),
        (numbers.p_short(1.0), "1"),
        (numbers.p_value(0.0131), "p = 0.013"),
        (numbers.p_value(0.0004), "p < 0.001"),
        (numbers.span(9, 10), "9-10"),
        (numbers.listed(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_numbers_are_written_one_way(text: str, expected: str) -> None:
    assert text == expected
