"""Shared with the tests of full disks."""

from tests.cli.test_full_disk import mounting

__all__ = ["mounting"]
