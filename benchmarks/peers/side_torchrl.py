"""torchrl: its SAC as its own example (`sota-implementations/sac`) puts it together, eager, one environment."""

from __future__ import annotations

from typing import Any

from turns import Turns, serve

FRAMES = 10  # env steps per batch of the collector, then as many updates: fewer cost torchrl more


def run(spec: dict[str, Any], turns: Turns) -> None:
    import tensordict
    import torch
    import torchrl
    from tasks import Task
    from tensordict.nn import TensorDictModule
    from torch import nn
    from torchrl.collectors import Collector
    from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer
    from torchrl.envs import ExplorationType, GymWrapper
    from torchrl.modules import MLP, NormalParamExtractor, ProbabilisticActor, TanhNormal, ValueOperator
    from torchrl.objectives import SACLoss, SoftUpdate

    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = torch.device(spec["device"])
    env = GymWrapper(Task(spec["task"]))
    actions = env.action_spec.shape[-1]
    trunk = nn.Sequential(
        MLP(in_features=env.observation_spec["observation"].shape[-1], out_features=2 * actions, num_cells=[256, 256],
            activation_class=nn.ReLU),
        NormalParamExtractor(),
    )  # fmt: skip
    actor = ProbabilisticActor(
        TensorDictModule(trunk, in_keys=["observation"], out_keys=["loc", "scale"]),
        in_keys=["loc", "scale"],
        spec=env.action_spec,
        distribution_class=TanhNormal,
        distribution_kwargs={"low": -1.0, "high": 1.0, "tanh_loc": False},
        default_interaction_type=ExplorationType.RANDOM,
        return_log_prob=False,
    )
    width = [spec["critic"]] * 2
    critic = ValueOperator(
        MLP(out_features=1, num_cells=width, activation_class=nn.ReLU), in_keys=["action", "observation"]
    )
    data = env.fake_tensordict()
    actor(data.clone())
    critic(data.clone())
    actor, critic = actor.to(device), critic.to(device)
    loss = SACLoss(actor_network=actor, qvalue_network=critic, num_qvalue_nets=2, loss_function="l2")
    loss.make_value_estimator(gamma=0.99)
    targets = SoftUpdate(loss, eps=0.995)
    optimizers = [
        torch.optim.Adam(list(loss.qvalue_network_params.flatten_keys().values()), lr=3e-4),
        torch.optim.Adam(list(loss.actor_network_params.flatten_keys().values()), lr=3e-4),
        torch.optim.Adam([loss.log_alpha], lr=3e-4),
    ]
    replay = TensorDictReplayBuffer(
        storage=LazyTensorStorage(spec["replay_capacity"], device=device),
        batch_size=spec["batch_size"],
        pin_memory=False,
    )
    places = {"policy_device": device, "env_device": "cpu", "storing_device": device} if device.type == "cuda" else {}
    collector = Collector(
        env, actor, frames_per_batch=FRAMES, total_frames=-1, init_random_frames=spec["random_start"], **places
    )

    def update() -> None:
        out = loss(replay.sample())
        total = out["loss_qvalue"] + out["loss_actor"] + out["loss_alpha"]
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        total.backward()
        for optimizer in optimizers:
            optimizer.step()
        targets.step()

    batches, collected = iter(collector), 0
    if device.type == "cuda":
        turns.sync = torch.cuda.synchronize
    turns.ready({"torchrl": torchrl.__version__, "tensordict": tensordict.__version__, "torch": torch.__version__})
    while turns.step(FRAMES):
        replay.extend(next(batches).reshape(-1))
        collected += FRAMES
        if collected > spec["random_start"]:
            for _ in range(FRAMES):
                update()
    collector.shutdown()


if __name__ == "__main__":
    serve(run)
