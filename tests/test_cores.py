"""How many cores there are for training: affinity, and the quotas of control groups, read from pretend files."""

from __future__ import annotations

from pathlib import Path

import pytest

from dimebench import cores, doctor
from dimebench.cores import quota, usable_cores
from dimebench.engines.base import EngineOptions
from dimebench.engines.events import PoolSettings
from dimebench.engines.local import engine
from dimebench.engines.local.slots import Slots
from dimebench.planning.cells import Plan
from dimebench.planning.plan import make_plan
from tests.planning.requests import request

V2 = "25 20 0:22 {shown} {place} rw,nosuid - cgroup2 cgroup rw,nsdelegate\n"
V1 = "33 31 0:30 {shown} {place} rw,relatime - cgroup cgroup rw,{controllers}\n"
OTHER = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n22 1 8:1 / / rw - ext4 /dev/sda rw\n"


class Machine:
    """Files of /proc and /sys below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("proc/self/mountinfo", OTHER)

    def write(self, path: str, text: str, add: bool = False) -> Machine:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() if add and file.exists() else "") + text)
        return self

    def version_2(self, group: str = "/", shown: str = "/", place: str = "/sys/fs/cgroup") -> Machine:
        self.write("proc/self/cgroup", f"0::{group}\n", add=True)
        (self.root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return self.write("proc/self/mountinfo", V2.format(shown=shown, place=place.replace(" ", r"\040")), add=True)

    def version_1(self, group: str, shown: str = "/", controllers: str = "cpu,cpuacct") -> Machine:
        place = f"/sys/fs/cgroup/{controllers}"
        self.write("proc/self/cgroup", f"4:{controllers}:{group}\n3:memory:/elsewhere\n", add=True)
        (self.root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
        return self.write(
            "proc/self/mountinfo", V1.format(shown=shown, place=place, controllers=controllers), add=True
        )

    def old_quota(self, folder: str, quota: object, period: object = 100000) -> Machine:
        self.write(f"{folder}/cpu.cfs_quota_us", f"{quota}\n")
        return self.write(f"{folder}/cpu.cfs_period_us", f"{period}\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose affinity has 64 cores."""
    monkeypatch.setattr(cores, "available", lambda: 64)
    return Machine(tmp_path)


def test_without_control_groups_the_affinity_decides(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (quota(machine.root), usable_cores(machine.root)) == (None, 64)
    (machine.root / "proc/self/mountinfo").unlink()
    assert usable_cores(machine.root) == 64
    monkeypatch.setattr(cores, "available", lambda: 1)
    machine.version_2().write("/sys/fs/cgroup/cpu.max", "400000 100000\n")
    assert usable_cores(machine.root) == 1


@pytest.mark.parametrize(
    ("text", "limit", "usable"),
    [
        ("200000 100000", 2.0, 2),
        ("max 100000", None, 64),
        ("150000 100000", 1.5, 2),
        ("50000 100000", 0.5, 1),
        ("1000 100000", 0.01, 1),
        ("6400000 50000", 128.0, 64),
        ("200000", 2.0, 2),
        ("", None, 64),
        ("0 100000", None, 64),
        ("200000 0", None, 64),
        ("-1 100000", None, 64),
        ("many 100000", None, 64),
        ("9" * 400 + " 1", None, 64),
    ],
)
def test_docker_with_version_2(machine: Machine, text: str, limit: float | None, usable: int) -> None:
    """In a container with a namespace of its own the group is the mount's top."""
    machine.version_2().write("/sys/fs/cgroup/cpu.max", text + "\n")
    assert (quota(machine.root), usable_cores(machine.root)) == (limit, usable)


def test_the_smallest_quota_of_a_group_and_those_above_it_counts(machine: Machine) -> None:
    machine.version_2("/user.slice/job/step").write("/sys/fs/cgroup/user.slice/job/step/cpu.max", "max 100000")
    machine.write("/sys/fs/cgroup/user.slice/job/cpu.max", "300000 100000\n")
    machine.write("/sys/fs/cgroup/user.slice/cpu.max", "800000 100000\n")
    machine.write("/sys/fs/cgroup/user.slice/other/cpu.max", "100000 100000\n")
    assert usable_cores(machine.root) == 3


def test_a_group_that_is_only_known_outside_counts_as_the_top_of_the_mount(machine: Machine) -> None:
    """Version 2 without a namespace, as with `--cgroupns=host`, and with a mount of the group alone."""
    machine.version_2("/docker/0123", shown="/docker/0123").write("/sys/fs/cgroup/cpu.max", "500000 100000")
    assert usable_cores(machine.root) == 5
    machine.version_2("/../../elsewhere").write("/sys/fs/cgroup/cpu.max", "400000 100000")
    assert usable_cores(machine.root) == 4


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_docker_with_version_1(machine: Machine, controllers: str) -> None:
    """/proc names the group from outside; the mount shows that group as its top."""
    machine.version_1("/docker/0123", shown="/docker/0123", controllers=controllers)
    machine.old_quota(f"/sys/fs/cgroup/{controllers}", 200000)
    assert usable_cores(machine.root) == 2


def test_version_1_where_the_group_is_not_below_the_mount(machine: Machine) -> None:
    machine.version_1("/kubepods/pod1/c1").old_quota("/sys/fs/cgroup/cpu,cpuacct", 300000, 50000)
    assert usable_cores(machine.root) == 6


def test_version_1_below_its_mount(machine: Machine) -> None:
    machine.version_1("/slurm/job_1").old_quota("/sys/fs/cgroup/cpu,cpuacct/slurm/job_1", 400000)
    machine.old_quota("/sys/fs/cgroup/cpu,cpuacct", -1)
    assert usable_cores(machine.root) == 4


def test_both_versions_at_once_and_a_controller_of_another_name(machine: Machine) -> None:
    machine.version_2(place="/sys/fs/cgroup/unified").version_1("/a").old_quota(
        "/sys/fs/cgroup/cpu,cpuacct/a", 200000
    )
    machine.version_1("/b", controllers="cpuset").old_quota("/sys/fs/cgroup/cpuset/b", 100000)
    assert usable_cores(machine.root) == 2


def test_a_mount_whose_path_holds_a_space(machine: Machine) -> None:
    machine.version_2(place="/mnt/my groups").write("/mnt/my groups/cpu.max", "200000 100000")
    assert usable_cores(machine.root) == 2


@pytest.mark.parametrize("text", ["", "nonsense\n", "0:\n", ":::\n", "0::relative\n", "x" * 9999, "\x00\n"])
def test_odd_files_are_no_limit(machine: Machine, text: str) -> None:
    machine.write("proc/self/cgroup", text).write("proc/self/mountinfo", text + " - cgroup2\n", add=True)
    assert usable_cores(machine.root) == 64
    (machine.root / "proc/self/mountinfo").write_bytes(b"\xff\xfe - cgroup2 x x\n")
    assert usable_cores(machine.root) == 64


def test_a_quota_of_two_on_64_cores_trains_two_processes_and_pins_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(request(), range(4), tmp_path, "cpu")
    asked: list[PoolSettings] = []

    class Pool:
        def __init__(self, plan: Plan, settings: PoolSettings, needs: object) -> None:
            asked.append(settings)

        def run(self, on_event: object) -> None:
            """Trains nothing."""

    monkeypatch.setattr(engine, "usable_cores", lambda: 2)
    monkeypatch.setattr(engine, "LocalPool", Pool)
    engine.Local(EngineOptions(0, False, ""), []).run(plan, request(), PoolSettings(), lambda event: None)
    assert asked[0].workers == 2
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)), raising=False)
    slots = Slots([block for _, block in plan.blocks()], asked[0])
    assert [slots._cores_of(slot) for slot in range(len(slots.workers))] == [[], []]


def test_doctor_says_why_not_all_cores_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr(doctor, "available", lambda: 64)
    monkeypatch.setattr(doctor, "usable_cores", lambda: 2)
    monkeypatch.setattr(doctor, "quota", lambda: 1.5)
    assert doctor.cores_here() == "2 of 64: a CPU quota of 1.5"
    monkeypatch.setattr(doctor, "available", lambda: 2)
    assert doctor.cores_here() == "2 of 64: the CPU affinity"
    monkeypatch.setattr(doctor, "usable_cores", lambda: 64)
    assert doctor.cores_here() == "64"
