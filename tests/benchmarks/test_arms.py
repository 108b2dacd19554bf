from pathlib import Path

import pytest

from benchmarks.arms.arm import parse_arm, parse_arms
from benchmarks.arms.loopback import require_loopback
from benchmarks.errors import InvalidArmError, RemoteTargetError


def test_a_bare_url() -> None:
    arm = parse_arm("http://127.0.0.1:8000")
    assert (arm.name, arm.base_url, arm.model, arm.token) == ("target", "http://127.0.0.1:8000/v1", "", None)
    assert arm.headers() == {}


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://localhost:1/v1/", "http://localhost:1/"])
def test_urls_come_to_the_same(url: str) -> None:
    assert parse_arm(f"a={url}").base_url == "http://localhost:1/v1"


def test_all_options(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("abc.def\n")
    arm = parse_arm(f"judged=http://127.0.0.1:8000,token-file={token},model=native")
    assert (arm.name, arm.model) == ("judged", "native")
    assert arm.headers() == {"Authorization": "Bearer abc.def"}
    assert "abc" not in repr(arm)


def test_token_from_the_environment() -> None:
    assert parse_arm("a=http://127.0.0.1,token-env=T", {"T": " xyz "}).token == "xyz"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a=",
        "a=127.0.0.1:8000",
        "a=ftp://127.0.0.1",
        "a=http://",
        "a=http://127.0.0.1:99999",
        "a=http://user:pass@127.0.0.1",
        "a=http://127.0.0.1/?x=1",
        "a b=http://127.0.0.1",
        "a=http://127.0.0.1,token=abc",
        "a=http://127.0.0.1,token-env=MISSING",
        "a=http://127.0.0.1,token-file=/does/not/exist",
        "a=http://127.0.0.1,token-file=x,token-env=y",
        "a=http://127.0.0.1,token-env=TWO",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidArmError):
        parse_arm(text, {"TWO": "two\nlines"})


def test_names_differ_and_there_is_one() -> None:
    with pytest.raises(InvalidArmError, match="differ"):
        parse_arms(["a=http://127.0.0.1", "a=http://127.0.0.2"])
    with pytest.raises(InvalidArmError, match="at least one"):
        parse_arms([])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "[::1]", "localhost"])
def test_loopback_is_allowed(host: str) -> None:
    require_loopback(parse_arm(f"a=http://{host}:8000"))


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "[2001:db8::1]"])
def test_elsewhere_is_refused(host: str) -> None:
    with pytest.raises(RemoteTargetError, match="--allow-remote"):
        require_loopback(parse_arm(f"a=http://{host}:8000"))
