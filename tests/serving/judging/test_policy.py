"""Policy files: sound ones load, wrong ones are refused with a sentence that names file and field."""

from pathlib import Path

import pytest

import serving.policies
from serving.judging.conversation import Stage
from serving.judging.hazards import Hazard
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
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("- a\n- b\n", "must be a mapping"),
        ("id: " + "[" * 3000, "nested more than 64 levels deep"),
        ("id: &a [*a]", "stands for what contains it"),
        (GOOD.replace("Harm.", '" \\t\\u200b "'), "description: must not be blank"),
        (GOOD.replace("Harm.", '""'), "description: must not be blank"),
        (GOOD.replace("Harm.", '"\\e[31mHarm."'), "control character"),
        (GOOD.replace("id: harm", 'id: " "'), "criteria.0.id"),
        (GOOD + '"\\e[31mmode": gate\n', r"'\\x1b\[31mmode': Extra inputs"),
        (GOOD + '    threshold: "0.5"\n', "threshold: Input should be a valid number"),
        (GOOD + "    threshold: yes\n", "threshold: Input should be a valid number"),
        (GOOD + "    threshold: .inf\n", "threshold"),
        (GOOD + "    threshold: 1.0e+999\n", "threshold"),
        (GOOD + "first_window: yes\n", "first_window: Input should be a valid integer"),
        (GOOD + 'first_window: "8"\n', "first_window: Input should be a valid integer"),
        (GOOD + f"first_window: {'9' * 4000}\n", "first_window"),
        (GOOD + "judge_timeout: yes\n", "judge_timeout: Input should be a valid number"),
        (GOOD + "hazards: {hate: {threshold: '0.5'}}\n", "hate.threshold.*: Input should be a valid number"),
        (
            GOOD + "hazards: {hate: {threshold: {answer: .inf}}}\n",
            "threshold.*answer: Input should be less than 1",
        ),
        (GOOD.replace('"3"', "2026-01-01"), "version: Input should be a valid string; write it in quotes"),
        ("id: [", "not valid YAML"),
        ("id: !!python/object:os.system x", "not valid YAML"),
        (b"id: \xff\xfe\xfa", "not in UTF-8"),
        ("version: 2024-13-45", "month"),
        (GOOD + "mode: observe\n", "the key 'mode' is given twice"),
        (GOOD.replace("gate", "off"), "mode"),
        (GOOD.replace("gate", "Gate"), "mode"),
        (GOOD + "fail_open: true\n", "fail_open"),
        (GOOD.replace('"3"', "3"), "version"),
        (GOOD.replace('"3"', '"٣"'), "version"),
        (GOOD.replace('"3"', r'"3\r\nx-mizan-outcome: passed"'), "version"),
        (GOOD.replace('"3"', '"3 "'), "version"),
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
        (GOOD + "hazards: {S15: {}}\n", "there is no hazard 'S15'"),
        (GOOD + "hazards: {arson: {}}\n", "there is no hazard 'arson'"),
        (GOOD + "hazards: {hate: {}, S10: {}}\n", "S10: hazard hate is there twice"),
        (GOOD + "hazards: {hate: {threshold: 1}}\n", "hazards.hate.threshold"),
        (GOOD + "hazards: {hate: {threshold: {fr: 0.5}}}\n", "hazards.hate.threshold"),
        (GOOD + "hazards: {hate: {stages: [prompt], threshold: {answer: 0.5}}}\n", "not among stages"),
        (GOOD + "hazards: {hate: {action: allow}}\n", "hazards.hate.action"),
        (GOOD + "hazards: {hate: {block: false}}\n", "hazards.hate.block"),
        (GOOD + "hazards: {harm: {}}\n", "harm is among the hazards too"),
        (GOOD + "hazards: [hate]\n", "hazards"),
        ("id: a\nversion: '1'\nhazards: {hate: {action: flag}}\n", "no hazard blocks there"),
        ("id: a\nversion: '1'\nhazards: {hate: {stages: [prompt]}}\n", "answer, tool_call"),
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
    assert "\n" not in str(caught.value)


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
    with pytest.raises(PolicyError, match=r"b\.yaml: id 'strict' is defined twice, in .*a\.yaml too"):
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
        "reasoning",
        "repair",
        "first_window",
        "least_window",
        "window_growth",
        "long_window",
        "hold_until",
        "judge_timeout",
        "label_mass_floor",
        "hazards",
        "criteria",
    }


HAZARDS = """\
id: site
version: "1"
hazards:
  S1: {threshold: 0.4}
  Hate: {threshold: {prompt: 0.7, answer: 0.6}, stages: [prompt, answer]}
  privacy: {action: flag}
  suicide & self-harm:
"""


def test_hazards_go_by_code_and_by_name(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, HAZARDS))
    assert [hazard.value for hazard in policy.hazards] == [
        "violent_crimes",
        "privacy",
        "hate",
        "suicide_and_self_harm",
    ]
    hate = policy.hazards[Hazard.HATE]
    assert [hate.threshold_at(stage) for stage in (Stage.PROMPT, Stage.ANSWER)] == [0.7, 0.6]
    assert Hazard.HATE not in policy.hazards_at(Stage.TOOL_CALL)
    assert policy.hazards[Hazard.SELF_HARM].blocks
    assert not policy.hazards[Hazard.PRIVACY].blocks
    assert load_policy(written(tmp_path, HAZARDS + "mode: observe\n")).hazards == policy.hazards


def test_the_digest_covers_hazards_whatever_they_are_called_and_wherever_they_stand(tmp_path: Path) -> None:
    lines = HAZARDS.splitlines()
    turned = "\n".join([*lines[:3], *reversed(lines[3:])]).replace("S1", "Violent Crimes")
    one = load_policy(written(tmp_path, HAZARDS))
    assert load_policy(written(tmp_path, turned)).digest == one.digest
    for change in (
        ("0.4", "0.5"),
        ("flag", "block"),
        ("S1", "S2"),
        ("[prompt, answer]", "[answer, prompt, text]"),
    ):
        assert load_policy(written(tmp_path, HAZARDS.replace(*change))).digest != one.digest


def test_observing_policies_may_only_flag(tmp_path: Path) -> None:
    text = "id: a\nversion: '1'\nmode: observe\nhazards: {hate: {action: flag}}\n"
    assert not load_policy(written(tmp_path, text)).enforcing


def test_windows_grow_with_what_was_judged_and_no_longer_than_the_long_one() -> None:
    policy = Policy.model_validate({"id": "x", "version": "1", "hazards": {"hate": {}}})
    judged, checks = 8, 1
    while judged < 512:
        judged += policy.window_after(judged)
        checks += 1
    assert checks <= 12
    assert policy.window_after(8) == 8
    assert policy.window_after(2) == policy.least_window
    assert policy.window_after(100_000) == policy.long_window
