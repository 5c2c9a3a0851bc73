"""Entry point: the commands, and the way from an exception to one line and an exit code."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from dimebench.cli.algos import algos
from dimebench.cli.bench import bench
from dimebench.cli.cancel import cancel
from dimebench.cli.common import streams
from dimebench.cli.common.errors import explain
from dimebench.cli.common.options import option
from dimebench.cli.compare import compare
from dimebench.cli.doctor import doctor
from dimebench.cli.export import export
from dimebench.cli.import_ import import_
from dimebench.cli.mv import mv
from dimebench.cli.plan import plan
from dimebench.cli.power import power
from dimebench.cli.render import render
from dimebench.cli.report import report
from dimebench.cli.rm import rm
from dimebench.cli.run import run
from dimebench.cli.shell.help import START, GroupedCommands, PlainCommand
from dimebench.cli.shell.scripts import ASKED, INSTALL, SHOW, install, script, with_shell
from dimebench.cli.show import show
from dimebench.cli.status import status
from dimebench.cli.suites import suites
from dimebench.engines.signals import SIGNALS
from dimebench.errors import OK, USAGE, UsageError, nearest

app = typer.Typer(
    name="dimebench",
    help="Train DIME, CrossQ and SAC on suites of hard control tasks, and say which is better, and how sure.",
    epilog="Exit codes: 0 ok, 1 internal error, 2 wrong input, 3 some runs failed, 4 not comparable, "
    "130 interrupted, 141 the reader of the output is gone.",
    cls=GroupedCommands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
COMMANDS = (
    *(run, plan, cancel, compare, power, report, status, suites, algos, show),
    *(export, import_, rm, mv, render, bench, doctor),
)
for command in COMMANDS:
    app.command(command.__name__.rstrip("_"), cls=PlainCommand)(command)  # `import` is a word of Python's own


@app.callback(invoke_without_command=True)
def _alone(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version and leave.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; works anywhere on the line.")
    ] = False,
    install_completion: Annotated[
        str,
        option("Have bash, zsh or fish complete words from now on (default: the shell in use).", "[SHELL]", INSTALL),
    ] = "",
    show_completion: Annotated[str, option("Print the script that does it.", "[SHELL]", SHOW)] = "",
) -> None:
    if version:
        from dimebench import __version__

        typer.echo(f"dimebench {__version__}")
        raise typer.Exit
    if install_completion:
        typer.echo(install(install_completion))
        raise typer.Exit
    if show_completion:
        typer.echo(script(show_completion), nl=False)
        raise typer.Exit


def main() -> None:
    """Run the command line and exit with its code."""
    if ASKED in os.environ:
        _complete()
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C while Python leaves changes no exit code
    atexit.register(gc.freeze)  # else Python first searches everything for garbage, which takes a second
    arguments = with_shell([argument for argument in sys.argv[1:] if argument != "--debug"])
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    streams.guard()
    try:
        _check_command(arguments)
        code = app(arguments, prog_name="dimebench", standalone_mode=False) if arguments else _start()
        streams.finish()
    except BaseException as error:
        if "--debug" in sys.argv[1:] and not isinstance(error, SystemExit):
            import traceback

            traceback.print_exc()
        line, code = explain(error)
        if line:
            print(f"dimebench: {line}", file=sys.stderr)
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
    sys.exit(code if isinstance(code, int) else OK)


def _check_command(arguments: list[str]) -> None:
    """Raises UsageError for a command that there is not."""
    names = [command.__name__.rstrip("_") for command in COMMANDS]
    if arguments and not arguments[0].startswith("-") and arguments[0] not in names:
        raise UsageError(f"unknown command '{arguments[0]}'{nearest(arguments[0], names)}")


def _start() -> int:
    """Where no command was typed: what this is, and the three commands that matter."""
    typer.echo(START)
    return USAGE


def _complete() -> NoReturn:
    """Answer a shell that asks what may stand at the cursor; never with an error."""
    from dimebench.cli.shell.completion import complete

    with suppress(BaseException):
        print("\n".join(complete(typer.main.get_command(app), os.environ.pop(ASKED), sys.argv[1:])), flush=True)
    os._exit(OK)


if __name__ == "__main__":
    main()
