"""The raw runs as one zip that explains itself to somebody who has never heard of dimebench."""

from __future__ import annotations

import os
import secrets
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import dimebench
from dimebench.analysis.comparability import mixtures
from dimebench.store import Run, StoreError
from dimebench.store.external import external
from dimebench.store.places import Place
from dimebench.store.provenance import CODE_FOLDER, code_file, read_code
from dimebench.store.schema import EVALS_FILE, EVALS_SCHEMA, RUN_FILE, TRAIN_FILE
from dimebench.wording.notes import note

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same runs are the same zip
COLUMNS = {
    "suite": "set of tasks with one protocol",
    "algorithm": "algorithm",
    "variant": "algorithm with its changed settings; `paper:` and `ext:` mark curves that were not run here",
    "task": "family/task of the environment",
    "seed": "seed of the run: the unit of replication",
    "env_step": "steps of the control problem taken before the evaluation (frames = env_step x action repeat)",
    "grad_step": "critic updates before the evaluation",
    "episode": "number of the episode within its evaluation",
    "return": "undiscounted sum of rewards of the episode; null where the run had diverged",
    "length": "env steps of the episode; 0 where an imported curve does not tell",
    "success": "1 where the task was solved, else 0; of an imported evaluation the share of its episodes; null where "
    "the task has no such notion",
    "wall_time_s": "seconds of training and evaluation so far, pauses left out",
    "diverged": "the learner's numbers were not finite any more",
}


def write_archive(runs: Sequence[Run], root: Place, path: Path, unread: Sequence[StoreError] = ()) -> int:
    """Write the files of the runs, as they lie below `root`, and a README.md, to a zip. Returns the number of files.

    unread: why other runs are not in it, for the README.md.
    Raises OSError naming the file; nothing half-written stays behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo("README.md", EPOCH), readme(runs, unread))
            written = 1
            for code in sorted({str(run.identity["of"].get("code")) for run in runs}):
                definitions = read_code(root, code)
                if definitions is not None:
                    entry = zipfile.ZipInfo(f"results/{CODE_FOLDER}/{code}.json", EPOCH)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, code_file(definitions))
                    written += 1
            for run in runs:
                for name in (RUN_FILE, EVALS_FILE, TRAIN_FILE):
                    file = run.path / name
                    if file.exists():
                        entry = zipfile.ZipInfo(str(Path("results") / file.relative_to(root)), EPOCH)
                        entry.compress_type = zipfile.ZIP_DEFLATED if name == RUN_FILE else zipfile.ZIP_STORED
                        archive.writestr(entry, file.read_bytes())
                        written += 1
        with beside.open("rb") as whole:
            os.fsync(whole.fileno())
        beside.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(error.filename or path)) from error
    finally:
        beside.unlink(missing_ok=True)
    return written


def readme(runs: Sequence[Run], unread: Sequence[StoreError] = ()) -> str:
    """What is in the archive, column by column, and how to read it."""
    cells = Counter((run.variant, run.task) for run in runs)
    listed = "\n".join(f"| `{v}` | {t} | {n} |" for (v, t), n in sorted(cells.items()))
    columns = "\n".join(f"| `{name}` | {EVALS_SCHEMA.field(name).type} | {text} |" for name, text in COLUMNS.items())
    origins = {
        f"- `{run.variant}`: {told['source']}, licence: {told['licence']}, steps counted as {told['unit']}, "
        f"action repeat {told['action_repeat']}"
        for run in runs
        if (told := external(run)) is not None
    }
    foreign = (
        "\n## Runs of others\n\nNot run here; their licences apply to them.\n\n" + "\n".join(sorted(origins)) + "\n"
        if origins
        else ""
    )
    noted = "".join(f"- {note(one)}\n" for one in mixtures([run for run in runs if external(run) is None]))
    mixed = f"\n## What differs between the runs\n\n{noted}" if noted else ""
    lost = "".join(f"- {error}\n" for error in unread)
    lacking = f"\n## Runs that are not here\n\nThey could not be read:\n\n{lost}" if lost else ""
    return f"""# Runs of {", ".join(sorted({run.suite for run in runs}))}

{len(runs)} runs of reinforcement-learning algorithms on continuous-control tasks, written by dimebench
{dimebench.__version__}. One folder is one run, which is one seed of one algorithm on one task:

    results/SUITE/VARIANT/TASK/seed-003/run.json        settings, protocol, versions, machine, status
                                        evals.parquet   one row per evaluation episode
                                        train.parquet   one row per logging point: losses, temperature, ...
    results/.code/DIGEST.json                           the functions that a run's `identity.of.code` stands for

Any Parquet reader opens them. With pandas:

    import pandas as pd, pathlib
    evals = pd.concat(map(pd.read_parquet, pathlib.Path("results").rglob("evals.parquet")))
    evals.groupby(["variant", "task", "seed", "env_step"])["return"].mean()

or with DuckDB: SELECT variant, task, env_step, avg("return") FROM 'results/**/evals.parquet' GROUP BY ALL.
The same numbers as in the report come from `dimebench compare A B --results results`.

## Columns of evals.parquet

| column | type | meaning |
|---|---|---|
{columns}

`run.json` holds under `identity.of` everything that can change a run's numbers, under `score` how a run is scored
(kind, and the returns that count as 0 and 1), under `status` how it ended: finished, diverged (counts with the lower
bound from there on), failed, interrupted or running.

## Runs

| variant | task | runs |
|---|---|---|
{listed}
{foreign}{mixed}{lacking}"""
