"""Imported before the tests' own imports of dm_control: the package chooses MuJoCo's renderer first."""

import dimebench.envs  # noqa: F401
