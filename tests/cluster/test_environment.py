"""The environment of a stack's processes."""

from pathlib import Path

import pytest

from cluster.environment import stack_environment
from cluster.instance import Instance
from serving.settings import Settings


def environment(folder: Path, **ray: str) -> dict[str, str]:
    return stack_environment(Instance(Settings.model_validate({"state": folder, "ray": ray})))


def test_a_local_ray_is_on_loopback_with_a_token_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "somebody else's")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "1")
    found = environment(tmp_path)
    assert found["RAY_AUTH_MODE"] == "token"
    assert found["RAY_AUTH_TOKEN"] == ""
    assert found["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "default" / "ray-token")
    assert found["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert (found["VLLM_HOST_IP"], found["GLOO_SOCKET_IFNAME"]) == ("127.0.0.1", "lo")


def test_a_cluster_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "the cluster's")
    monkeypatch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)
    found = environment(tmp_path, address="10.0.0.1:6379")
    assert found["RAY_AUTH_TOKEN"] == "the cluster's"
    assert "RAY_AUTH_TOKEN_PATH" not in found
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in found
    assert "GLOO_SOCKET_IFNAME" not in found


def test_it_is_silent_and_offline(tmp_path: Path) -> None:
    found = environment(tmp_path)
    for name in ("HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"):
        assert found[name] == "1"
    assert found["RAY_USAGE_STATS_ENABLED"] == "0"
