"""The scripts that make shells ask `completion` for words, and where they are installed."""

from __future__ import annotations

import os
from pathlib import Path

from dimebench.errors import UsageError, nearest

ASKED = "_DIMEBENCH_COMPLETE"  # set by the scripts: the shell that asks
INSTALL, SHOW = "--install-completion", "--show-completion"

# bash splits words at = and :, so it hands over the line. What comes back takes the place of the last part.
BASH = """\
_dimebench_completion() {
    COMPREPLY=()
    local each
    while IFS= read -r each; do
        COMPREPLY+=("$each")
    done < <(_DIMEBENCH_COMPLETE=bash "$1" "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=.:] ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -o default -o bashdefault -F _dimebench_completion dimebench
"""
ZSH = """\
#compdef dimebench
_dimebench() {
    local -a found open closed
    local each
    found=("${(@f)$(_DIMEBENCH_COMPLETE=zsh "${words[1]}" "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for each in $found; do
        [[ $each == *[=.:] ]] && open+=("$each") || closed+=("$each")
    done
    (( $#open )) && compadd -S '' -a open
    (( $#closed )) && compadd -a closed
    (( $#open + $#closed )) || _files
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _dimebench dimebench
"""
FISH = """\
function __dimebench_complete
    set -l typed (commandline -opc)
    set -l program $typed[1]
    set -e typed[1]
    set -lx _DIMEBENCH_COMPLETE fish
    set -l found ($program $typed (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c dimebench -f -a '(__dimebench_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def script(shell: str) -> str:
    """The shell's script. Raises UsageError for a shell that there is none for."""
    if shell not in SCRIPTS:
        raise UsageError(f"'{shell}': no completion for this shell{nearest(shell, SCRIPTS)}")
    return SCRIPTS[shell]


def install(shell: str) -> str:
    """Write the script and have the shell read it from now on. Returns what was done. Raises UsageError."""
    text, home = script(shell), Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    own = data / "dimebench" / f"completion.{shell}"
    file = config / "fish" / "completions" / "dimebench.fish" if shell == "fish" else own
    from dimebench.store.atomic import atomic_write

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, text.encode())
        if shell != "fish":  # which reads its own folder
            read_by, line = home / f".{shell}rc", f"source '{file}'"
            before = read_by.read_text(errors="surrogateescape") if read_by.exists() else ""
            if line not in before.splitlines():
                with read_by.open("a") as out:
                    out.write(f"{'' if before[-1:] in ('', chr(10)) else chr(10)}{line}\n")
    except OSError as error:
        raise UsageError(f"{INSTALL} {shell}: {error.filename}: {error.strerror}") from error
    return f"{file} written; a new {shell} completes dimebench's words"


def with_shell(arguments: list[str]) -> list[str]:
    """The arguments, with the name of the shell in use behind an option that asks for one and has none."""
    found: list[str] = []
    for number, argument in enumerate(arguments):
        found.append(argument)
        if argument in (INSTALL, SHOW) and number + 1 == len(arguments):
            found.append(Path(os.environ.get("SHELL") or "bash").name)
    return found
