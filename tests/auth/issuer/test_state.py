"""The state file: private, atomic, and refused where it cannot be trusted."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from auth.issuer.state import IssuerState, StateFile, UnusableState


def test_secrets_survive_and_new_applications_get_one(tmp_path: Path) -> None:
    first = StateFile(tmp_path).update(lambda state: state.with_clients(["a"]))
    second = StateFile(tmp_path).update(lambda state: state.with_clients(["a", "b"]))
    assert second.client_secrets["a"] == first.client_secrets["a"]
    assert len(second.client_secrets["b"]) >= 32
    assert StateFile(tmp_path).read() == second


def test_without_a_file_it_is_empty(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "nothing").read() == IssuerState()
    with pytest.raises(UnusableState, match="no signing key"):
        IssuerState().signing_key()


def test_readable_by_others_is_refused(tmp_path: Path) -> None:
    StateFile(tmp_path).update(lambda state: state.with_clients(["a"]))
    (tmp_path / "issuer.json").chmod(0o644)
    with pytest.raises(UnusableState, match="0600"):
        StateFile(tmp_path).read()


def test_broken_file_is_refused_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "issuer.json"
    file.touch(0o600)
    file.write_text('{"keys": [')
    with pytest.raises(UnusableState, match="start afresh"):
        StateFile(tmp_path).update(lambda state: state.with_clients(["a"]))
    assert file.read_text() == '{"keys": ['


def test_failed_change_leaves_no_trace(tmp_path: Path) -> None:
    StateFile(tmp_path).update(lambda state: state.with_clients(["a"]))
    before = sorted(path.name for path in tmp_path.iterdir())

    def fail(state: IssuerState) -> IssuerState:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        StateFile(tmp_path).update(fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_concurrent_changes_are_all_kept(tmp_path: Path) -> None:
    names = [f"client-{number}" for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda name: StateFile(tmp_path).update(lambda state: state.with_clients([name])), names)
        )
    assert set(StateFile(tmp_path).read().client_secrets) == set(names)
