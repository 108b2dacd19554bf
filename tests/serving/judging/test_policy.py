"""Policy files: sound ones load, wrong ones are refused with a sentence that names file and field."""

from pathlib import Path

import pytest

import serving.policies
from serving.judging.conversation import Stage
from serving.judging.policy import Mode, Policy, PolicyError, load_policies, load_policy

GOOD = """\
id: strict
version: "3"
mode: gate
criteria:
  - id: harm
    description: Harm.
"""


def written(folder: Path, text: str | bytes, name: str = "policy.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_policy_loads(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, GOOD))
    assert policy.mode is Mode.GATE
    assert policy.enforcing
    assert [criterion.id for criterion in policy.criteria_for(Stage.TOOL_CALL)] == ["harm"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "policy"),
        ("- a\n- b\n", "policy"),
        ("id: [", "not valid YAML"),
        ("id: !!python/object:os.system x", "not valid YAML"),
        (b"id: \xff\xfe\xfa", "decode|character|codec"),
        ("version: 2024-13-45", "month"),
        (GOOD.replace("gate", "off"), "mode"),
        (GOOD.replace("gate", "Gate"), "mode"),
        (GOOD + "fail_open: true\n", "fail_open"),
        (GOOD.replace('"3"', "3"), "version"),
        (GOOD.replace("id: strict", "id: ../strict"), "id"),
        (GOOD + "judge_timeout: 0\n", "judge_timeout"),
        (GOOD + "judge_timeout: .inf\n", "judge_timeout"),
        (GOOD + "judge_timeout: .nan\n", "judge_timeout"),
        (GOOD + "label_mass_floor: 0\n", "label_mass_floor"),
        (GOOD + "label_mass_floor: .nan\n", "label_mass_floor"),
        (GOOD + "    threshold: 1.0\n", "threshold"),
        (GOOD + "    threshold: .nan\n", "threshold"),
        (GOOD + "first_window: 0\n", "first_window"),
        (GOOD + "least_window: 0\n", "least_window"),
        (GOOD + "    stages: [prompt]\n", "no criterion judges stage answer, tool_call"),
        (GOOD + "    stages: []\n", "stages"),
        (GOOD + "  - id: harm\n    description: Again.\n", "once"),
        ("id: empty\nversion: '1'\ncriteria: []\n", "criteria"),
    ],
)
def test_a_wrong_policy_is_refused_by_name(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(PolicyError, match=says) as caught:
        load_policy(path)
    assert str(path) in str(caught.value)


def test_what_cannot_be_read_is_a_policy_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(PolicyError, match=str(path)):
            load_policy(path)


def test_a_folder_of_policies(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no policies"):
        load_policies(tmp_path)
    written(tmp_path, GOOD, "a.yaml")
    assert set(load_policies(tmp_path)) == {"strict"}
    written(tmp_path, GOOD, "b.yaml")
    with pytest.raises(PolicyError, match="defined twice"):
        load_policies(tmp_path)


def test_the_digest_is_over_the_content_and_not_the_comments(tmp_path: Path) -> None:
    one = load_policy(written(tmp_path, GOOD))
    same = load_policy(written(tmp_path, "# a comment\n" + GOOD))
    other = load_policy(written(tmp_path, GOOD.replace("Harm.", "Harm!")))
    assert one.digest == same.digest != other.digest


def test_the_delivered_policies_load_and_only_observe_does_not_enforce() -> None:
    policies = load_policies(Path(next(iter(serving.policies.__path__))))
    assert policies["default"].mode is Mode.WINDOW
    assert [policy.id for policy in policies.values() if not policy.enforcing] == ["observe"]


def test_no_field_lets_an_enforcing_policy_fail_open() -> None:
    """I2: the fields are these; one that is added has to be thought about here."""
    assert set(Policy.model_fields) == {
        "id",
        "version",
        "mode",
        "action",
        "first_window",
        "least_window",
        "judge_timeout",
        "label_mass_floor",
        "criteria",
    }
