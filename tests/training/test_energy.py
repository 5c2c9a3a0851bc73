"""Joules of a GPU, told by a stand-in for NVML: no device is needed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dimebench.store import read_run
from dimebench.training.energy import joules_of
from dimebench.training.split import split_block
from tests.training.blocks import make_block, stop_after, train


class Nvml:
    """Draws 1,500 mJ between two looks."""

    def __init__(self) -> None:
        self.drawn, self.asked = 7_000_000, ""

    def nvmlInit(self) -> None: ...  # noqa: N802

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        self.asked = uuid
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        self.drawn += 1_500
        return self.drawn


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Nvml:
    found = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", found)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1-2-3"))
    return found


def test_joules_since_the_meter_was_made_of_the_device_by_its_identity(nvml: Nvml) -> None:
    joules = joules_of("cuda:0")
    assert joules is not None
    assert nvml.asked == "GPU-1-2-3"
    assert [joules(), joules()] == [1.5, 3.0]


def test_nothing_is_told_on_a_cpu_without_the_package_or_without_a_counter(
    nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert joules_of("cpu") is None
    joules = joules_of("cuda:0")
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    assert joules is not None
    assert joules() is None  # and training goes on
    assert joules_of("cuda:0") is None
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as where it is not installed
    assert joules_of("cuda:0") is None


@pytest.mark.parametrize("cut", [None, 80])
def test_each_seed_has_its_share_also_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int | None
) -> None:
    monkeypatch.setattr("dimebench.training.record.joules_of", lambda device: lambda: 40.0)  # of each process
    block = make_block("sac", seeds=(0, 1))
    if cut is not None:
        assert train(block, tmp_path, stop_after(cut)) == "interrupted"
    assert train(block, tmp_path) == "finished"
    for seed in (0, 1):
        run = read_run(block.run_folder(tmp_path, seed))
        assert run is not None
        assert run.progress["energy_j"] == (20.0 if cut is None else 40.0)


def test_seeds_that_go_on_apart_keep_their_own_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dimebench.training.record.joules_of", lambda device: lambda: 40.0)  # of each process
    block = make_block("sac", seeds=(0, 1))
    assert train(block, tmp_path, stop_after(80)) == "interrupted"
    for part in split_block(block, tmp_path, [(0,), (1,)], "parted"):
        assert train(part, tmp_path) == "finished"
        run = read_run(part.run_folder(tmp_path, part.seeds[0]))
        assert run is not None
        assert run.progress["energy_j"] == 20.0 + 40.0


def test_without_a_meter_in_part_of_the_run_no_energy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = make_block("sac")
    assert train(block, tmp_path, stop_after(80)) == "interrupted"
    monkeypatch.setattr("dimebench.training.record.joules_of", lambda device: lambda: 40.0)
    assert train(block, tmp_path) == "finished"
    run = read_run(block.run_folder(tmp_path, 0))
    assert run is not None
    assert "energy_j" not in run.progress
