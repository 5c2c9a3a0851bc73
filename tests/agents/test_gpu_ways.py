"""What learners do on a GPU, taken on a CPU: the same numbers as a CPU's way, to rounding."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch

from dimebench.agents.parts.categorical import project
from dimebench.agents.parts.chain.stepwise import Chain
from dimebench.agents.parts.diffusion import DiffusionPolicy, DiffusionSample
from dimebench.agents.parts.networks import stacked_product
from dimebench.agents.parts.paths import gpu_ways
from tests.agents.learners import DIMS, LEARNERS, assert_learn_alike, make, streams, train

SEEDS = [3, 11]


@pytest.fixture
def on_gpu() -> Iterator[None]:
    with gpu_ways():
        yield


def policy(seeds: int, hidden: tuple[int, ...], steps: int) -> DiffusionPolicy:
    """In float64, with an output layer that has something to say."""
    agent = make("dime", list(range(seeds)), score_hidden=hidden, diffusion_steps=steps)
    made = agent.modules["policy"]
    assert isinstance(made, DiffusionPolicy)
    made = copy.deepcopy(made).double()
    g = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in made.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=g, dtype=torch.float64))
    return made


def value(sample: DiffusionSample) -> torch.Tensor:
    """Of everything that a sample says, each entry with a weight of its own."""
    g = torch.Generator().manual_seed(2)
    return torch.stack(
        [(torch.randn(part.shape, generator=g, dtype=part.dtype) * part).sum() for part in sample]
    ).sum()


@pytest.mark.parametrize(("hidden", "steps"), [((17, 13), 3), ((9,), 1), ((8, 8, 8), 5)])
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("rows", [1, 6])
def test_the_written_out_chain_is_the_chain_with_its_gradients(
    on_gpu: None, hidden: tuple[int, ...], steps: int, seeds: int, rows: int
) -> None:
    one = policy(seeds, hidden, steps)
    chain, parameters = Chain(one), list(one.parameters())
    obs, x0 = (torch.randn(seeds, rows, n, dtype=torch.float64) for n in (DIMS.obs, DIMS.act))
    eps = torch.randn(seeds, steps, rows, DIMS.act, dtype=torch.float64)
    expected, found = one.sample(obs, x0, eps), chain.sample(obs, x0, eps)
    with torch.no_grad():
        without = chain.sample(obs, x0, eps)
    assert torch.equal(chain.act(obs, x0, eps), without.action)
    for part, other, third in zip(expected, found, without, strict=True):
        torch.testing.assert_close(other, part, rtol=1e-11, atol=1e-11)
        assert torch.equal(other, third)
    gradients = torch.autograd.grad(value(expected), parameters)
    for (name, _), a, b in zip(
        one.named_parameters(), gradients, torch.autograd.grad(value(found), parameters), strict=True
    ):
        torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-9, msg=lambda m, name=name: f"{name}: {m}")


def test_a_score_that_is_clipped_has_no_gradient(on_gpu: None) -> None:
    one = policy(2, (9,), 4)
    with torch.no_grad():
        one.score.out.weight.mul_(1e6)
    obs, x0 = torch.randn(2, 5, DIMS.obs).double(), torch.randn(2, 5, DIMS.act).double()
    eps = torch.randn(2, 4, 5, DIMS.act).double()
    parameters = list(one.parameters())
    expected = torch.autograd.grad(value(one.sample(obs, x0, eps)), parameters)
    found = torch.autograd.grad(value(Chain(one).sample(obs, x0, eps)), parameters)
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_in_a_gpu_s_ways_learns_the_same(name: str) -> None:
    usual = make(name, SEEDS)
    with gpu_ways():
        made = make(name, SEEDS)
        assert not made.arenas
    assert_learn_alike(usual, made, 15, 1e-3, off=(2e-5, 0.02), ways=gpu_ways)


@pytest.mark.parametrize("name", LEARNERS)
def test_loading_a_state_leaves_every_tensor_in_its_place(on_gpu: None, name: str) -> None:
    """Or a captured graph would go on with tensors that nobody reads any more."""
    agent, source = make(name, SEEDS), streams(SEEDS)
    train(agent, source, 3)  # every optimiser has stepped
    before = {key: (value.clone(), value.data_ptr()) for key, value in agent.state_dict().items()}
    train(agent, source, 3)
    agent.load_state_dict({key: value for key, (value, _) in before.items()})
    for key, value in agent.state_dict().items():
        assert torch.equal(value, before[key][0]), key
        if value.dim() and not key.endswith("_extra_state"):
            assert value.data_ptr() == before[key][1], key


@pytest.mark.parametrize("name", LEARNERS)
def test_a_state_from_before_the_first_step_takes_the_moments_back_to_zero(name: str) -> None:
    agent, untouched, source = make(name, SEEDS), make(name, SEEDS), streams(SEEDS)
    begun = {key: value.clone() for key, value in agent.state_dict().items()}
    drawn = source.state_dict()
    train(agent, source, 4)
    agent.load_state_dict(begun)
    source.load_state_dict(drawn)
    train(agent, source, 3)
    source.load_state_dict(drawn)
    train(untouched, source, 3)
    for key, value in untouched.state_dict().items():
        assert torch.equal(value, agent.state_dict()[key]), key


def test_a_diverged_seed_of_unpacked_parameters_is_told(on_gpu: None) -> None:
    agent = make("sac", SEEDS)
    with torch.no_grad():
        next(agent.modules["critics"].parameters())[1] = float("inf")
    assert agent.diverged().tolist() == [False, True]


def test_parameters_for_a_gpu_are_contiguous_and_aligned_and_weights_are_never_flattened_by_a_copy(
    on_gpu: None,
) -> None:
    for name in LEARNERS:
        for module in make(name, SEEDS).modules.values():
            for p in module.parameters():
                assert p.is_contiguous()
                assert p.data_ptr() % 16 == 0
                assert p.dim() < 4 or p.flatten(0, -3).data_ptr() == p.data_ptr()


def test_the_dense_projection_loses_no_mass() -> None:
    probs = torch.softmax(3 * torch.randn(2, 64, 101), -1)
    atoms = torch.linspace(-200, 200, 101)
    support = 250 * (2 * torch.rand(2, 64, 101) - 1)
    expected = project(probs, support, atoms)
    with gpu_ways():
        found = project(probs, support, atoms)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 64), rtol=0, atol=1e-6)
    assert "bmm" not in _operations(lambda: project(probs, support, atoms))


def test_a_product_for_a_gpu_adds_its_bias_afterwards(on_gpu: None) -> None:
    x, weight, bias = torch.randn(2, 5, 7), torch.randn(2, 7, 4), torch.randn(2, 1, 4)
    torch.testing.assert_close(stacked_product(x, weight, bias), torch.baddbmm(bias, x, weight))
    assert "baddbmm" not in _operations(lambda: stacked_product(x, weight, bias))
    one_row = stacked_product(x[:, :1], weight, bias)
    torch.testing.assert_close(one_row, torch.baddbmm(bias, x[:, :1], weight))
    rounded = stacked_product(x, weight, bias, torch.bfloat16)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, stacked_product(x, weight, bias), rtol=0.05, atol=0.05)


def _operations(function: object) -> set[str]:
    from torch.utils._python_dispatch import TorchDispatchMode

    seen: set[str] = set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen.add(func.__name__.split(".")[0])
            return func(*args, **(kwargs or {}))

    with Watch():
        function()  # type: ignore[operator]
    return seen
