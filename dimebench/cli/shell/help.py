"""Help: the commands in groups with a line each, and no type names.

Typer's own groups need rich, which would more than double the time that help takes.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

# Every command stands in one group, with a summary that fits a line of 80 columns.
GROUPS: dict[str, dict[str, str]] = {
    "Train": {
        "run": "train a suite; skip what is done, resume what was cut off",
        "plan": "what run would do: memory, disk, hours and cost",
        "status": "runs, who trains them, and the jobs in the queue",
        "cancel": "take jobs of a cluster back; they save first",
    },
    "Judge": {
        "compare": "which algorithm is better, by how much, how sure",
        "power": "how many seeds a difference needs",
        "report": "figures and tables; --html for one page of all",
        "render": "film a trained policy",
    },
    "Data": {
        "suites": "the suites there are",
        "algos": "the algorithms there are",
        "show": "a suite, an algorithm or a task in full",
        "import": "curves of another tool or paper into the results folder",
        "export": "csv, markdown, LaTeX, figures, the raw runs, TensorBoard, W&B",
        "rm": "remove runs, after asking",
        "mv": "move runs to another results folder, after asking",
    },
    "Machine": {
        "bench": "throughput of this machine, beside its floors",
        "doctor": "is this machine fit for days of training?",
    },
}

START = """\
dimebench trains DIME, CrossQ and SAC on hard control tasks and judges them.
  dimebench run suite=quick --seeds 3    train (dimebench suites: all suites)
  dimebench compare dime sac             which is better, by how much, how sure
  dimebench report --html                figures, tables and one page of all
dimebench --help: all commands; dimebench COMMAND --help: options of one."""
WIDEST = max(len(name) for summaries in GROUPS.values() for name in summaries)


class GroupedCommands(TyperGroup):
    """Lists the commands by group."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for group, summaries in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl(
                    [(name.ljust(WIDEST), text) for name, text in summaries.items() if name in self.commands]
                )

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_commands(ctx, formatter)
        _write(self, ctx, formatter)


class PlainCommand(TyperCommand):
    """Names values by their metavars alone."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [each for each in self.get_params(ctx) if each.param_type_name == "argument"]
        return ["[OPTIONS]", *(str(each.metavar) for each in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write(self, ctx, formatter)


def _write(command: TyperGroup | TyperCommand, ctx: Any, formatter: Any) -> None:
    """The sections of arguments and options."""
    rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
    for each in command.get_params(ctx):
        record = each.get_help_record(ctx)
        if record is not None:
            named = each.param_type_name == "argument" and each.metavar
            rows[each.param_type_name].append((named or record[0], record[1]))
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        if rows[kind]:
            with formatter.section(title):
                formatter.write_dl(rows[kind])
