"""The marker of tests that start the real server."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "keycloak: starts the real Keycloak server")
