"""The words of a verdict: names, numbers, seeds, tasks, budget, confidence, and what to beware of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dimebench.analysis.notes import Unreadable
from dimebench.analysis.summary import Citation, Summary
from dimebench.numbers import count, listed, p_value, percent, signed, unit
from dimebench.stats import Comparison, Estimate, Interval, Verdict
from dimebench.wording import terms
from dimebench.wording.standing import standing

HOLDS_FROM = 4  # seeds: the difference's interval covers what it says, on one task too


def in_short(verdict: Verdict, comparison: Comparison) -> str:
    """The verdict of a comparison, or of a task of it, in a word or two."""
    better = {"A better": comparison.a, "B better": comparison.b}.get(verdict)
    return f"{better} better" if better else verdict


def headline(comparison: Comparison) -> str:
    """The claim in a few words."""
    pair = comparison.winner
    if pair is not None:
        return f"{pair[0]} is better than {pair[1]}"
    if comparison.verdict == "equivalent":
        return f"{comparison.a} and {comparison.b} are equivalent within {comparison.delta:g}"
    return f"undecided between {comparison.a} and {comparison.b}"


def sentences(summary: Summary) -> tuple[str, ...]:
    """One per comparison, then one on each reference that the user named; without either, one on the only variant."""
    found = (*(sentence(comparison, summary) for comparison in summary.comparisons), *cited_sentences(summary))
    if found:
        return found
    row = summary.aggregates[0]
    iqm = row.estimates["iqm"]
    return (
        f"{row.variant} on {_where(summary, row.fewest_seeds, row.most_seeds)}: "
        f"IQM {unit(iqm.point)}{_ci(iqm.interval)}; there is nothing to compare it with."
        f"{_left_out(summary, row.variant)}",
    )


def claims(summary: Summary) -> list[str]:
    """What is claimed: the sentence of one comparison; the claims in short where a table follows."""
    if len(summary.comparisons) < 2:
        return list(sentences(summary))
    warning = caution(summary.comparisons)
    return [*standing(summary.comparisons), where(summary), *[warning] * bool(warning), *cited_sentences(summary)]


def cited_sentences(summary: Summary) -> tuple[str, ...]:
    """Where each published figure that the user named lies against the variants, and which ones match no task."""
    found = []
    for citation in summary.published:
        found += [_cited(summary, variant, citation) for variant in citation.own]
        if citation.asked and citation.other_versions:
            head = citation.variant if citation.matched else f"{_source(citation)}; it"
            found.append(f"{head} {other_versions(citation)}")
    return tuple(found)


def _cited(summary: Summary, variant: str, citation: Citation) -> str:
    steps = sorted(point.env_steps for point in citation.matched.values())
    own = citation.own[variant]
    assert citation.score is not None
    drawn = any(point.kind == "figure" for point in citation.matched.values())
    text = (
        f"{_source(citation)}: {citation.statistic}{' (read off a figure)' * drawn} of the normalised "
        f"score {unit(citation.score)} over {count(len(citation.matched), 'task')} at "
        f"{' to '.join(f'{step:,}' for step in dict.fromkeys((steps[0], steps[-1])))} env steps; "
        f"{variant} has {unit(own.point)}{_ci(own.interval)} at {summary.budget:,}"
    )
    if own.interval is not None:
        low, high = own.interval.low, own.interval.high
        lies = "above" if citation.score > high else "below" if citation.score < low else "within"
        text += f", and the published figure lies {lies} that interval"
    return text + ". Published aggregates hold no runs: no verdict is made."


def _source(citation: Citation) -> str:
    return (
        f"{citation.variant} is published, not run here ({citation.source}, licence {citation.licence}, "
        f"seeds: {citation.seeds}, action repeat {citation.action_repeat})"
    )


def other_versions(citation: Citation) -> str:
    """What to know of a reference's figures on other versions of the tasks: they are shown, and counted nowhere."""
    by_remark: dict[str, list[str]] = {}
    for point in citation.other_versions.values():
        by_remark.setdefault(point.remark, []).append(point.task)
    those = "; ".join(f"{listed(tasks)} ({remark})" for remark, tasks in by_remark.items())
    alone = "has figures on" if citation.matched else "has no figure on these tasks, but on"
    return f"{alone} {those}, shown beside {listed([*citation.other_versions])}: in no aggregate and no difference."


def sentence(comparison: Comparison, summary: Summary) -> str:
    """The verdict in full, seen from the better side."""
    pair = comparison.winner
    seen = turned(comparison) if pair == (comparison.b, comparison.a) else comparison
    a, b, difference, chance = seen.iqm_a, seen.iqm_b, seen.difference, seen.improvement
    where_ = _where(summary, seen.fewest_seeds, seen.most_seeds)
    if pair is not None or seen.verdict == "equivalent":
        claim = f"{headline(comparison)} on {where_}"
    else:
        claim = f"Undecided between {seen.a} and {seen.b} on {where_}, because {seen.reason}"
    warning = caution([comparison])
    found = f"a difference of {signed(difference.point)}"
    if seen.p_value is not None:
        bounds = _ci(difference.interval, sign=True) or f" (no finite {percent(seen.confidence)} CI)"
        found += f"{bounds}, studentised permutation test {p_value(seen.p_value)}"
    return (
        f"{claim}: IQM {unit(a.point)} against {unit(b.point)}, {found}; "
        f"a run of {seen.a} scores above a run of {seen.b} "
        f"with probability {chance.point:.2f}{_ci(chance.interval, digits=2)}."
        f"{_judged(seen)}{more_seeds(seen)}{f' {warning}' if warning else ''}"
        f"{_left_out(summary, comparison.a, comparison.b)}"
    )


def turned(c: Comparison) -> Comparison:
    """The numbers of B against A; verdict and tasks stay as they are."""
    return replace(
        c,
        a=c.b,
        b=c.a,
        iqm_a=c.iqm_b,
        iqm_b=c.iqm_a,
        difference=Estimate(-c.difference.point, _mirror(c.difference.interval, 0.0)),
        improvement=Estimate(1 - c.improvement.point, _mirror(c.improvement.interval, 1.0)),
        judged=_mirror(c.judged, 0.0),
    )


def _mirror(interval: Interval | None, total: float) -> Interval | None:
    return interval and Interval(total - interval.high, total - interval.low, interval.confidence)


def where(summary: Summary) -> str:
    """Suite, tasks, seeds and budget of all compared variants, and the runs left out."""
    found = _where(summary, summary.fewest_seeds, summary.most_seeds)
    return f"On {found}.{_best_against_each(summary)}{_left_out(summary, *summary.variants)}"


def _best_against_each(summary: Summary) -> str:
    """Which comparisons were made, where not all were."""
    if not summary.best_against_each:
        return ""
    count_ = len(summary.variants)
    return (
        f" Of {count_} variants, none of them named, the one with the highest IQM is compared with each other one. "
        f"The runs chose it, so these {count_ - 1} comparisons are judged as strictly as if all "
        f"{count_ * (count_ - 1) // 2} pairs were; name variants to judge other pairs."
    )


def _where(summary: Summary, fewest: int, most: int) -> str:
    tasks = len(summary.tasks)
    everywhere = tasks + len(summary.left_out_tasks)
    of = f"{tasks} of {everywhere} tasks" if everywhere > tasks else terms.tasks(summary)
    scored = f"{terms.scored(summary.score)} {terms.at_budget(summary)}{terms.limited(summary)}"
    return f"{summary.suite} ({of}, {terms.seeds(fewest, most)} each, {scored})"


def _ci(interval: Interval | None, sign: bool = False, digits: int = 3) -> str:
    if interval is None:
        return ""
    write = signed if sign else unit
    low, high = write(interval.low, digits), write(interval.high, digits)
    return f" ({percent(interval.confidence)} CI {low} to {high})"


def more_seeds(comparison: Comparison) -> str:
    """How many seeds would likely decide; "" where it is decided or that is not known."""
    more = comparison.more_seeds
    if more is None:
        return ""
    return f" If this is the true difference, about {count(more, 'more seed')} each would likely decide."


def _judged(comparison: Comparison) -> str:
    """At which confidence the verdict was made, where the difference's own interval does not say it."""
    equivalent, others = comparison.verdict == "equivalent", comparison.family - 1
    if comparison.judged_at is None or (others < 1 and not equivalent):
        return ""
    judged, at = comparison.judged, percent(comparison.judged_at)
    together = f" together with {count(others, 'other comparison')}" if others > 0 else ""
    tests = ", by two one-sided tests" if equivalent else ""
    bounds = f"{signed(judged.low)} to {signed(judged.high)}" if judged else "no finite interval"
    known = "" if equivalent or comparison.adjusted_p is None else f"; adjusted {p_value(comparison.adjusted_p)}"
    return f" Judged{together} at {at}{tests}: {bounds}{known}."


def caution(comparisons: Sequence[Comparison]) -> str:
    """A warning where the intervals of single IQMs rest on few seeds; "" elsewhere."""
    few = [comparison.fewest_seeds for comparison in comparisons if comparison.few_seeds]
    if not few:
        return ""
    measured = " (about 70% of the time on one task, 92% on seven)" if set(few) == {3} else ""
    here = " and may err more often here" if min(few) < HOLDS_FROM else ""
    return (
        f"Caution: with {terms.seeds(min(few), max(few))} the intervals of single IQMs hold the truth less often "
        f"than they say{measured}; the difference's interval and the verdict hold from {HOLDS_FROM} seeds on{here}."
    )


def _left_out(summary: Summary, *variants: str) -> str:
    """Runs of these variants that do not count, or count with the lower bound."""
    rows = [row for row in summary.left_out if row.variant in variants and row.task in summary.tasks]
    failed = sum(row.status == "failed" for row in rows)
    parts = [count(failed, "failed run")] if failed else []
    parts += [count(len(rows) - failed, "unfinished run")] if len(rows) > failed else []
    unread = sum(isinstance(note, Unreadable) for note in summary.notes)
    parts += [count(unread, "run") + " that cannot be read"] if unread else []
    text = f" Left out: {' and '.join(parts)}." if parts else ""
    diverged = sum(row.diverged for row in summary.aggregates if row.variant in variants)
    return text + (f" {count(diverged, 'diverged run')} counted with the lower bound." if diverged else "")
