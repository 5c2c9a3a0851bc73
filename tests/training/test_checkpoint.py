"""Checkpoints: whole or absent, replay appended, a torn one passed over."""

from __future__ import annotations

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
        (tmp_path / "000001" / "manifest.json").write_text('{"version": 1, "facts"')
    else:
        (tmp_path / "replay" / "000000010-000000020.safetensors").write_bytes(b"")
    found = Checkpoints(tmp_path).load()
    assert found is not None
    assert found.facts == {"env_step": 10}
    save(Checkpoints(tmp_path), 30, 0)  # goes on beside the torn one


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
