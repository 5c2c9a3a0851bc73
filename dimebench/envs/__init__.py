"""Tasks of many libraries behind one interface: reset, step a vector of seeds, save, restore, reseed.

`libraries/` has one adapter per library; nothing outside it knows of any.

Observations are one float32 vector per seed, in a documented order (`TaskSpec.obs_layout`: dm_control's keys
alphabetically, Gymnasium's own order). Actions are in [-1, 1]. Termination and truncation are kept apart.
"""

from dimebench.envs import gl
from dimebench.envs.factory import known_tasks, make_vector_env, task_spec
from dimebench.envs.fingerprint import physics_fingerprint
from dimebench.envs.libraries.registry import all_packages, known_libraries, library_of, loaded_libraries
from dimebench.envs.parallel import ParallelVectorEnv, worker_count
from dimebench.envs.spec import EnvError, TaskSpec, UnknownTaskError
from dimebench.envs.vector import SerialVectorEnv, VectorEnv

gl.choose()  # before mujoco is imported, which nothing above does

__all__ = [
    "EnvError",
    "ParallelVectorEnv",
    "SerialVectorEnv",
    "TaskSpec",
    "UnknownTaskError",
    "VectorEnv",
    "all_packages",
    "known_libraries",
    "known_tasks",
    "library_of",
    "loaded_libraries",
    "make_vector_env",
    "physics_fingerprint",
    "task_spec",
    "worker_count",
]
