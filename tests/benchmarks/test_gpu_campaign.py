"""The campaign on a GPU, as far as a CPU can tell: its machinery with parts that go wrong, and small real parts."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.campaign import Campaign, Part, share, together
from benchmarks.gpu.parts.kernels import Kernel, summary
from benchmarks.gpu.record import BAD, File, Result
from tests.processes import wait_until_gone

ROOT = Path(__file__).resolve().parents[2]
BROKEN = "tests.benchmarks.broken_parts"


def campaign(folder: Path, *names: str, seconds: float = 60.0, most: float = 20.0) -> tuple[list[Result], list[str]]:
    """Run broken parts; their results, and what was told meanwhile."""
    told: list[str] = []
    scratch = folder / "scratch"
    scratch.mkdir()
    parts = [Part(name, BROKEN, most) for name in names]
    running = Campaign(File(folder, "test"), "cpu", seconds, scratch, tell=told.append)
    return running.run(parts), told


def outcomes(results: list[Result]) -> list[tuple[str, str, str]]:
    return [(result.part, result.name, result.status) for result in results]


def test_an_error_in_a_case_is_recorded_with_its_traceback_and_the_next_case_and_part_go_on(tmp_path: Path) -> None:
    results, told = campaign(tmp_path, "raises", "outside", "well")
    assert outcomes(results) == [
        ("raises", "one", "ok"),
        ("raises", "bad", "error"),
        ("raises", "unmet", "failed"),
        ("raises", "two", "ok"),
        ("outside", "before", "ok"),
        ("outside", "outside", "error"),
        ("well", "fine", "ok"),
    ]
    bad, unmet = results[1:3]
    assert (bad.error, bad.values) == ("RuntimeError: two lines of words", {"seen": 1})
    assert unmet.note == "not so: water is dry"
    assert 'raise RuntimeError("two lines\\nof words")' in (tmp_path / "tracebacks.txt").read_text()
    assert bad.traceback in ["tracebacks.txt: test raises  bad"]
    assert results[0].values == {"answer": 42, "not finite": "nan"}
    assert [line for line in told if "two lines of words" in line]


def test_a_process_that_dies_is_recorded_and_another_one_goes_on_behind_the_case(tmp_path: Path) -> None:
    results, _ = campaign(tmp_path, "dies", "well", most=60.0)
    assert outcomes(results) == [
        ("dies", "before", "ok"),
        ("dies", "gone", "crashed"),
        ("dies", "after", "ok"),
        ("well", "fine", "ok"),
    ]
    assert results[1].error.startswith("exit code 11")


def test_a_part_that_hangs_is_killed_at_its_limit_with_its_children_and_the_next_goes_on(tmp_path: Path) -> None:
    results, told = campaign(tmp_path, "hangs", "well", seconds=24.0, most=10.0)
    assert outcomes(results) == [
        ("hangs", "before", "ok"),
        ("hangs", "endless", "out of time"),
        ("well", "fine", "ok"),
    ]
    wait_until_gone([int((tmp_path / "child").read_text())])
    assert next(line for line in told if line.startswith("--- hangs: ")).endswith(" of 12")


def test_no_part_is_begun_without_time_and_cases_are_left_out_by_the_time_that_is_left(tmp_path: Path) -> None:
    results, _ = campaign(tmp_path, "many", "well", seconds=8.0, most=1000.0)
    statuses = [result.status for result in results]
    done = statuses.count("ok")
    assert 0 < done < 100
    assert statuses == ["ok"] * done + ["left out"] * (101 - done)
    assert outcomes(results)[-1] == ("well", "well", "left out")
    assert not set(statuses) & set(BAD)


def test_each_test_that_fails_is_a_result_beside_the_counts(tmp_path: Path) -> None:
    results, _ = campaign(tmp_path, "tests")
    bad, all_of_them = results
    assert (bad.name.rpartition("::")[2], bad.status) == ("test_bad", "failed")
    assert bad.error == "assert (1 + 1) == 3"
    assert (all_of_them.name, all_of_them.status) == ("tests", "failed")
    assert all_of_them.values == {"passed": 1, "failed": 1, "skipped": 1}
    assert "def test_bad" in (tmp_path / "tracebacks.txt").read_text()


def test_every_result_stands_in_the_file_before_the_next_part_begins(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    file = File(tmp_path, "test")

    def tell(line: str) -> None:
        seen.append((line.split()[0], len(file.results())))

    running = Campaign(file, "cpu", 60.0, scratch, tell=tell)
    running.run([Part("well", BROKEN, 20.0), Part("raises", BROKEN, 20.0)])
    at_end_of_first = seen[[word for word, _ in seen].index("---")]
    assert at_end_of_first == ("---", 1)


def test_results_of_earlier_campaigns_stay_in_the_file(tmp_path: Path) -> None:
    for name in ("first", "second"):
        file = File(tmp_path, name)
        file.machine({"device": "cpu"})
        file.result(Result("part", f"case of {name}"))
        assert [result.name for result in file.results()] == [f"case of {name}"]
    assert len((tmp_path / "gpu.jsonl").read_text().splitlines()) == 4


def test_a_line_that_is_half_written_is_passed_over(tmp_path: Path) -> None:
    file = File(tmp_path, "test")
    file.result(Result("part", "first"))
    whole = (tmp_path / "gpu.jsonl").read_bytes()
    with (tmp_path / "gpu.jsonl").open("ab") as half:
        half.write(whole[:50])
    assert [result.name for result in file.results()] == ["first"]
    with (tmp_path / "gpu.jsonl").open("ab") as rest:
        rest.write(whole[50:])
    assert [result.name for result in file.results()] == ["first", "first"]


def test_time_is_shared_by_what_parts_take_and_what_nobody_needs_is_shared_out() -> None:
    a, b, c = Part("a", "", 30.0, timeless=True), Part("b", "", 60.0, timeless=True), Part("c", "", 40.0)
    stages = together([a, b, c])
    assert stages == [[a, b], [c]]
    assert together([c, a, b]) == [[c], [a, b]]  # what measures time has the machine for itself
    assert share(stages[0], stages, 50.0) == 50.0
    assert share(stages[0], stages, 90.0) == 60.0
    assert share(stages[0], stages, 200.0) == 120.0
    assert share(stages[1], stages[1:], 200.0) == 200.0


def test_kernels_are_counted_per_step_and_the_device_is_idle_when_none_of_them_runs() -> None:
    kernels = [
        Kernel("triton_poi_fused_add", 0.0, 100.0),
        Kernel("sm90_xmma_gemm_f32", 50.0, 300.0),  # beside the one before
        Kernel("Memcpy HtoD", 500.0, 600.0),
        Kernel("sm90_xmma_gemm_f32", 1000.0, 1600.0),
    ]
    found: dict[str, Any] = summary(kernels, steps=2, ms=1.0)
    assert found["kernels_per_step"] == 2.0
    assert found["ms_busy"] == pytest.approx(0.5)
    assert found["idle_share"] == pytest.approx(0.5)
    assert found["ms_products"] == pytest.approx(0.425)
    assert found["table"][1] == [pytest.approx(0.425), 1.0, 425.0, "sm90_xmma_gemm_f32"]


# --- the command ----------------------------------------------------------------------------------------------


def gpu(*arguments: str, device: str = "cpu") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", device, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def test_an_unknown_part_is_refused_with_the_nearest_one() -> None:
    done = gpu("--only", "smoke,figure")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gpu: unknown part 'figure' (nearest: figures)\n"


def test_without_a_gpu_there_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = gpu("--out", str(tmp_path / "out"), device="cuda")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gpu: torch sees no CUDA device; --device cpu runs the same on small learners\n"
    assert not (tmp_path / "out").exists()


def test_the_parts_run_small_on_a_cpu_and_leave_a_small_file(tmp_path: Path) -> None:
    only = "equality,smoke,figures,kernels"
    done = gpu("--only", only, "--algo", "sac", "--seconds", "500", "--out", str(tmp_path),
               "--scratch", str(tmp_path / "scratch"))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    machine, *lines = map(json.loads, (tmp_path / "gpu.jsonl").read_text().splitlines())
    assert machine["kind"] == "machine"
    assert machine["device"] == "cpu"
    assert {"commit", "code", "date", "versions"} <= machine.keys()
    assert list(dict.fromkeys(line["part"] for line in lines)) == only.split(",")
    assert {line["status"] for line in lines} == {"ok"}
    by_part: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_part.setdefault(line["part"], []).append(line)
    ways = ["eager float32", "graph float32", "graph bf16"]
    assert [line["name"] for line in by_part["smoke"]] == [f"sac {way}" for way in ways]
    assert [line["values"].get("same_bits") for line in by_part["smoke"]] == [True, True, None]
    assert [line["values"].get("second_block") for line in by_part["smoke"]] == [None, "finished", "finished"]
    bits, low = (line["values"] for line in by_part["equality"][1:])
    assert bits["worst"] == 0.0  # a graph on a CPU has the bits of eager
    assert 0.0 < low["worst"] < low["limit"]
    (figure,) = by_part["figures"]
    assert figure["values"]["env_steps_per_s"] == pytest.approx(1e3 / figure["values"]["ms_per_step"])
    assert figure["values"]["estimate_gb"] > 0
    (kernels,) = by_part["kernels"]
    assert len(kernels["values"]["table"]) == 26
    assert sum(path.stat().st_size for path in tmp_path.iterdir() if path.is_file()) < 1_000_000


@pytest.mark.slow
def test_the_training_is_packed_without_checkpoints_and_the_same_command_finds_it_done(tmp_path: Path) -> None:
    words = ["--only", "train", "--task", "walker-stand", "--steps", "600", "--seeds", "1", "--out", str(tmp_path),
             "--scratch", str(tmp_path / "scratch")]  # fmt: skip
    found = []
    for _ in range(2):
        done = gpu(*words, "--seconds", "400")
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(json.loads((tmp_path / "gpu.jsonl").read_text().splitlines()[-1])["values"])
    assert found[0]["env_step"] == 600
    assert list(found[0]["curve"]) == [str(step) for step in [*range(0, 600, 37), 600]]
    assert found[0]["by_seed"] == [pytest.approx(found[0]["iqm"])]
    assert found[1]["curve"] == found[0]["curve"]
    with tarfile.open(tmp_path / "training.tar.gz") as packed:
        names = {Path(name).name for name in packed.getnames()}
    assert names == {"run.json", "evals.parquet", "train.parquet", "policy.safetensors"}
