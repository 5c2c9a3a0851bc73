import pytest

pytest.register_assert_rewrite("tests.cli.calls")  # its helpers hold assertions
