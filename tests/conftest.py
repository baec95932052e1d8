"""First of all: assertions of the shipped suites show their values. It must come before anything imports them."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("llmrg.testing")
