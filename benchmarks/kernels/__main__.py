"""Kernels that one vector step launches on a GPU, counted without one.

    python -m benchmarks.kernels dime crossq --seeds 1,10 [--detail 30] [--bytes] [--check] [--json]

The learner runs at full size on dog-run's dimensions on a fake H100: its real functions, torch.compile and CUDA
graphs included. torch's operations are counted as they are called, those of compiled functions in the code that
Inductor generates. Needs a CUDA build of torch with triton, and g++; no GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.kernels import device

try:
    device.load()
except device.NoGuardError as error:
    sys.exit(f"kernels: {error}")

import torch  # after the guard

from benchmarks.kernels.compiled import failures
from benchmarks.kernels.count import Count, by_part, count
from benchmarks.kernels.ledger import KINDS
from dimebench.training.execution.modes import CHAINS


def table(found: Count, title: str, sizes: bool) -> str:
    parts = by_part(found.launches)
    lines = [
        f"{title:40s}" + "".join(f"{kind:>9s}" for kind in KINDS) + f"{'sum':>9s}" + ("       MB" if sizes else "")
    ]
    total = dict.fromkeys(KINDS, 0.0)
    for part, kinds in sorted(parts.items(), key=lambda item: -sum(item[1].values())):
        for kind in KINDS:
            total[kind] += kinds[kind]
        row = f"  {part:38s}" + "".join(f"{kinds[kind]:9.1f}" for kind in KINDS) + f"{sum(kinds.values()):9.1f}"
        if sizes:
            row += f"{sum(n for line, n in found.bytes.items() if line.part == part) / 1e6:9.1f}"
        lines.append(row)
    row = (
        f"  {'a vector step':38s}" + "".join(f"{total[kind]:9.1f}" for kind in KINDS) + f"{sum(total.values()):9.1f}"
    )
    return "\n".join([*lines, row + (f"{sum(found.bytes.values()) / 1e6:9.1f}" if sizes else "")])


def compiled(found: Count) -> str:
    lines = [f"  {'compiled function':46s}{'Triton':>8s}{'library':>9s}"]
    for code in found.codes:
        called = f"  {', '.join(f'{n} {name}' for name, n in code.library.items())}"
        copied = f"; {code.copies} copies of misaligned inputs in {code.calls} calls" if code.copies else ""
        late = "; COMPILED IN A CAPTURE" if code.in_capture else ""
        name = f"{code.name}, {code.direction}"
        lines.append(f"  {name:46s}{code.triton:8d}{sum(code.library.values()):9d}{called}{copied}{late}")
    return "\n".join(lines)


def detail(found: Count, rows: int) -> str:
    lines = []
    for line, n in sorted(found.launches.items(), key=lambda item: -item[1])[:rows]:
        lines.append(f"  {n:8.1f}  {line.part:28s}{line.kind:8s}{line.what:44s}{line.where}")
    return "\n".join(lines)


def keep(found: Count, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, code in enumerate(found.codes):
        (folder / f"{i:02d}-{code.name}-{code.direction}.py").write_text(code.code)


def as_json(found: Count) -> dict[str, Any]:
    lines = [asdict(line) | {"launches": n, "bytes": found.bytes[line]} for line, n in found.launches.items()]
    codes = [
        {k: v for k, v in vars(code).items() if k not in ("code", "sources")} | {"kernels": len(code.sources)}
        for code in found.codes
    ]
    return {"launches": sum(found.launches.values()), "lines": lines, "compiled": codes}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kernels", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("algorithms", nargs="*", default=["dime"])
    parser.add_argument("--seeds", default="1", help="numbers of seeds, with commas")
    parser.add_argument("--mode", default="compile+graph")
    parser.add_argument("--precision", default="tf32")
    parser.add_argument("--chain", default="plain", choices=CHAINS, help="DIME's")
    parser.add_argument("--warm-up", action="store_true", help="before BatchRenorm corrects")
    parser.add_argument("--detail", type=int, default=0, metavar="ROWS", help="the largest lines, with their places")
    parser.add_argument("--bytes", action="store_true", help="estimated megabytes moved")
    parser.add_argument("--check", action="store_true", help="compile the Triton kernels for sm_90 (minutes)")
    parser.add_argument("--code", metavar="FOLDER", help="keep the generated code there")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if lacks := device.why_not():
        parser.exit(2, f"kernels: {lacks}\n")
    answers = []
    for name in args.algorithms:
        for seeds in map(int, args.seeds.split(",")):
            torch._dynamo.reset()
            found = count(name, seeds, args.mode, args.precision, args.chain, args.warm_up)
            wrong = failures(found.codes) if args.check else {}
            answers.append({"algorithm": name, "seeds": seeds, **as_json(found), "failures": wrong})
            if args.code:
                keep(found, Path(args.code) / f"{name}-{seeds}")
            if args.json:
                continue
            print(table(found, f"{name}, seeds {seeds}, {args.mode}, {args.precision}, {args.chain}", args.bytes))
            print(compiled(found))
            if args.detail:
                print(detail(found, args.detail))
            for kernel, error in wrong.items():
                print(f"  DOES NOT COMPILE FOR SM_90: {kernel}: {error}")
            print(flush=True)
    if args.json:
        print(
            json.dumps(
                {
                    "torch": torch.__version__,
                    "mode": args.mode,
                    "precision": args.precision,
                    "chain": args.chain,
                    "counts": answers,
                }
            )
        )


if __name__ == "__main__":
    main()
