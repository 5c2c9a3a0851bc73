"""Suites, words and settings: from YAML and the command line to values that are known to be valid."""

from dimebench.config.cells import cell_layers, cell_settings, check_shared_settings
from dimebench.config.errors import ConfigError
from dimebench.config.identity import canonical_json, differences, identity_hash
from dimebench.config.overrides import Request, parse_words
from dimebench.config.settings import resolve_settings, setting_names
from dimebench.config.suite import Bounds, Budget, Evaluation, Score, Suite
from dimebench.config.suites import find_suite, list_suites, load_suite
from dimebench.config.variant import Variant, parse_variant, split_list
from dimebench.config.yaml_io import load_yaml, parse_value
from dimebench.errors import nearest

__all__ = [
    "Bounds",
    "Budget",
    "ConfigError",
    "Evaluation",
    "Request",
    "Score",
    "Suite",
    "Variant",
    "canonical_json",
    "cell_layers",
    "cell_settings",
    "check_shared_settings",
    "differences",
    "find_suite",
    "identity_hash",
    "list_suites",
    "load_suite",
    "load_yaml",
    "nearest",
    "parse_value",
    "parse_variant",
    "parse_words",
    "resolve_settings",
    "setting_names",
    "split_list",
]
