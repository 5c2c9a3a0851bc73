"""Checkpoints: whole or absent, replay appended, a torn one passed over."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import torch

from dimebench.training.checkpoint import Checkpoints

STATE = {"weights": torch.arange(6.0), "count": torch.tensor(3)}


def chunk(first: int, last: int) -> dict[str, torch.Tensor]:
    return {"reward": torch.arange(float(first), float(last))[None]}


def save(checkpoints: Checkpoints, step: int, added: int, kept: int | None = None) -> None:
    checkpoints.save({"env_step": step}, STATE, added, added if kept is None else kept, chunk)


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path), 10, 10)
    found = Checkpoints(tmp_path).load()
    assert found is not None
    assert found.facts == {"env_step": 10}
    assert found.state.keys() == STATE.keys()
    assert all(torch.equal(found.state[key], value) for key, value in STATE.items())
    assert [first for first, _ in found.chunks] == [0]


def test_replay_is_appended_not_rewritten(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 10, 10)
    first = (tmp_path / "replay" / "000000000-000000010.safetensors").stat().st_mtime_ns
    save(checkpoints, 25, 25)
    again = Checkpoints(tmp_path)
    assert again.load() is not None
    save(again, 30, 30)
    found = Checkpoints(tmp_path).load()
    assert found is not None
    assert [(at, len(c["reward"][0])) for at, c in found.chunks] == [(0, 10), (10, 15), (25, 5)]
    assert (tmp_path / "replay" / "000000000-000000010.safetensors").stat().st_mtime_ns == first


def test_chunks_that_left_the_replay_are_dropped_from_disk(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in range(10, 80, 10):
        save(checkpoints, step, step, kept=min(step, 15))
    assert sorted(p.name[:9] for p in (tmp_path / "replay").iterdir()) == ["000000040", "000000050", "000000060"]
    assert len([p for p in tmp_path.iterdir() if p.name.isdigit()]) == 2


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "manifest", "replay"])
def test_a_torn_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, damage: str) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 10, 10)
    save(checkpoints, 20, 20)
    state = tmp_path / "000001" / "state.safetensors"
    if damage == "truncate":
        state.write_bytes(state.read_bytes()[:-3])
    elif damage == "flip":
        data = bytearray(state.read_bytes())
        data[-1] ^= 1
        state.write_bytes(bytes(data))
    elif damage == "remove":
        state.unlink()
    elif damage == "manifest":
        (tmp_path / "000001" / "manifest.json").write_text('{"version": 2, "facts"')
    else:
        (tmp_path / "replay" / "000000010-000000020.safetensors").write_bytes(b"")
    again = Checkpoints(tmp_path)
    found = again.load()
    assert found is not None
    assert found.facts == {"env_step": 10}
    (problem,) = again.problems
    assert problem.startswith("checkpoint 000001 cannot be used: ")
    assert problem.endswith("; 000000 is used")
    save(again, 30, 30)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.isdigit()) == ["000000", "000002"], "the torn one goes"


def test_a_failing_write_leaves_the_checkpoint_before_intact(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 10, 10)

    def broken(first: int, last: int) -> dict[str, torch.Tensor]:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        checkpoints.save({"env_step": 20}, STATE, 20, 20, broken)
    found = Checkpoints(tmp_path).load()
    assert found is not None
    assert found.facts == {"env_step": 10}
    assert not list(tmp_path.rglob("*.tmp"))


def test_nothing_but_the_policy_stays_when_a_block_is_finished(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 10, 10)
    checkpoints.keep_policy({"policy.weight": torch.ones(2)})
    checkpoints.remove()
    assert [p.name for p in tmp_path.rglob("*")] == ["policy.safetensors"]


def test_the_number_of_files_stays_bounded_and_the_order_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dimebench.training.checkpoint.CHUNK_ROWS", 100)
    monkeypatch.setattr("dimebench.training.checkpoint.SMALL_CHUNKS", 8)
    checkpoints = Checkpoints(tmp_path)
    for step in range(7, 1000, 7):
        save(checkpoints, step, step)
        assert len(list((tmp_path / "replay").iterdir())) <= step // 100 + 2 * 8 + 1
    found = Checkpoints(tmp_path).load()
    assert found is not None
    assert torch.cat([chunk["reward"][0] for _, chunk in found.chunks]).tolist() == list(range(step))


def test_what_is_written_is_flushed_before_it_is_renamed_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that outlives a power cut."""
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_fsync(descriptor: int) -> None:
        steps.append(
            "fsync " + re.sub("[0-9a-f]{8}.tmp", "tmp", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        )
        fsync(descriptor)

    def note_rename(path: Path, target: Path) -> Path:
        steps.append(f"rename {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "rename", note_rename)
    save(Checkpoints(tmp_path / "block"), 10, 10)
    at = steps.index("rename 000000")
    assert steps[at - 3 : at + 2] == [
        "fsync state.safetensors",
        "fsync manifest.json",
        "fsync .000000.tmp",
        "rename 000000",
        "fsync block",
    ]
    assert steps.index("fsync replay") < at
