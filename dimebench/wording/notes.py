"""What was left out and what differs between the runs, in words."""

from __future__ import annotations

from dimebench.analysis import notes
from dimebench.analysis.summary import Summary
from dimebench.numbers import listed, place

MIXED = {"code": "versions of dimebench", "versions": "sets of packages", "execution": "executions"}


def remarks(summary: Summary) -> list[str]:
    """Tasks that were left out, and notes on the runs."""
    lost = [f"left out: {task.task} ({task.reason})" for task in summary.left_out_tasks]
    return [*lost, *(note(each) for each in summary.notes)]


def reason(left_out: notes.LeftOut) -> str:
    """Why a run does not count."""
    match left_out.reason:
        case notes.Failed(recorded):
            return recorded or "no reason recorded"
        case notes.NotEvaluated():
            return "no evaluation after env step 0"
        case notes.TooShort(reached, budget):
            return f"reached {reached:,} of {budget:,} env steps"
        case notes.MissingEvaluation(env_step):
            return f"no evaluation at env step {env_step:,}"


def note(one: notes.Note) -> str:
    """A note in one line."""
    match one:
        case notes.Allowed(kind, difference):
            return f"allowed by --allow {kind}: {difference}"
        case notes.BudgetTrimmed(asked, budget):
            return f"asked for {asked:,} env steps; {budget:,} is the latest evaluation up to there"
        case notes.FloorNotShown(floor, why):
            return f"{floor} is not shown as the floor: {_floor(why)}"
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
        case notes.ThresholdNeverReached(threshold):
            return f"no run reached a normalised score of {threshold:g}: time to it says nothing here"


def _floor(why: notes.NoRunOn | notes.Difference | notes.UnusableScore | notes.EndsEarly) -> str:
    match why:
        case notes.NoRunOn(tasks):
            return f"it has no usable run on {listed(tasks)}"
        case notes.EndsEarly(None, budget, axis):
            return f"it ends before {place(budget, axis)}"
        case notes.EndsEarly(task, budget, axis):
            return f"no run of it on {task} reached {place(budget, axis)}"
    return str(why)
