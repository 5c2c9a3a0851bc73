"""What was left out and what differs between the runs, in words."""

from __future__ import annotations

from dataclasses import replace

from dimebench.analysis import notes
from dimebench.analysis.summary import Summary
from dimebench.numbers import differ, listed, place

NOT_COUNTED = (notes.Unreadable, notes.FloorNotShown)
MIXED = {"dimebench": "versions of dimebench", "versions": "sets of packages", "execution": "executions"}


def remarks(summary: Summary) -> list[str]:
    """Tasks that were left out, and notes on the runs."""
    return [*not_counted(summary), *about_runs(summary)]


def not_counted(summary: Summary) -> list[str]:
    """What no number of the report holds: tasks, files that cannot be read, the floor."""
    lost = [f"left out: {task.task} ({task.reason})" for task in summary.left_out_tasks]
    return lost + [note(each) for each in summary.notes if isinstance(each, NOT_COUNTED)]


def about_runs(summary: Summary) -> list[str]:
    """What to know of the runs that count; variants of one origin in one line."""
    found: list[notes.Note] = []
    of: list[list[str]] = []  # the variants of each origin found
    for each in summary.notes:
        if isinstance(each, notes.Origin):
            bare = replace(each, variant="")
            if bare not in found:
                found, of = [*found, bare], [*of, []]
            of[found.index(bare)].append(each.variant)
        elif not isinstance(each, NOT_COUNTED):
            found, of = [*found, each], [*of, []]
    return [
        note(replace(one, variant=listed(names)) if isinstance(one, notes.Origin) else one)
        for one, names in zip(found, of, strict=True)
    ]


def reason(left_out: notes.LeftOut) -> str:
    """Why a run does not count."""
    if left_out.status == "failed":
        return left_out.reason or "no reason recorded"
    if left_out.missing is None:
        return "no evaluation after env step 0"
    if left_out.reached < left_out.budget:
        return f"reached {left_out.reached:,} of {left_out.budget:,} env steps"
    return f"no evaluation at env step {left_out.missing:,}"


def note(one: notes.Note) -> str:
    """A note in one line."""
    match one:
        case notes.Difference():
            return f"allowed by --allow {one.kind}: {one}"
        case notes.BudgetTrimmed(asked, budget):
            return f"asked for {asked:,} env steps; {budget:,} is the latest evaluation up to there"
        case notes.BudgetLimited(variants, (task, seed, last), others):
            return (
                f"budget limited by {listed(variants)}: {'its' if len(variants) == 1 else 'their'} run on {task} "
                f"seed {seed} ends at {last:,} env steps; others reach {others:,}"
            )
        case notes.Unreadable(problem):
            return f"not read, so not counted: {problem}"
        case notes.FloorNotShown():
            return f"{one.floor} is not shown as the floor: {_misfit(one)}"
        case notes.Origin():
            kind = "published curves" if one.published else "curves of another tool"
            return (
                f"{one.variant}: {kind} from {one.source} (licence: {one.licence}; steps counted as {one.unit}, "
                f"action repeat {one.action_repeat}), trained elsewhere under another protocol; read by linear "
                "interpolation at the matched env steps"
            )
        case notes.Mixture(of, count, differing):
            pairs = [f"{name}: {old} and {new}" if name else f"{old} and {new}" for name, old, new in differing]
            return f"the runs come from {count} {MIXED[of]} ({'; '.join(pairs)})"
        case notes.CodeMixture(variants, library, codes, functions, allowed):
            how = differ(functions) or " and ".join(codes)
            start = "allowed by run --allow code: " if allowed else ""
            return (
                f"{start}the {listed(variants)} runs on {library} come from {len(codes)} states of the code ({how})"
            )
        case notes.LoopMixture(library, codes):
            where = ", ".join(f"{code} for {variant}" for code, variant in codes)
            return f"the runs on {library} come from {len(codes)} states of the training loop ({where})"
        case notes.NeverReached(threshold):
            return f"no run reached a normalised score of {threshold:g}: time to it says nothing here"


def _misfit(one: notes.FloorNotShown) -> str:
    if one.lacking:
        return f"it has no usable run on {listed(one.lacking)}"
    if one.unscored:
        return "{} has no usable score: {}".format(*one.unscored)
    if one.ends_before is None:
        return str(one.difference)
    budget, axis, task = one.ends_before
    return (
        f"no run of it on {task} reached {place(budget, axis)}" if task else f"it ends before {place(budget, axis)}"
    )
