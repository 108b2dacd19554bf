"""The record of disagreements: bounded, private, and without text unless the tenant lets it be kept."""

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from serving import sqlite_file
from serving.judging.conversation import Check, Message, Stage
from serving.judging.policy import Mode
from serving.judging.shadow import Comparison, Result
from serving.judging.verdict import Outcome
from serving.shadows.disagreements import FILE, Disagreements
from serving.shadows.listener import ShadowListener
from tests.serving.judging.scripted import policy, verdict

SECRET = "زرزور"
RULES = policy(Mode.WINDOW)


def comparison(
    request: str = "r1", text: str = SECRET, stage: Stage = Stage.ANSWER, score: float = 0.9
) -> Comparison:
    conversation = (Message("user", text),)
    check = Check(stage, conversation, "" if stage is Stage.PROMPT else text, "khouribga", request)
    candidate = verdict(stage, RULES, Outcome.FLAGGED, score)
    return Comparison("candidate", Result.WOULD_BLOCK, check, verdict(stage, RULES), candidate, 0.5)


def test_a_disagreement_has_both_verdicts(tmp_path: Path) -> None:
    record = Disagreements(tmp_path)
    assert record.list() == []
    assert record.get(1) is None
    record.add(comparison(), "r1", 0)
    (row,) = record.list()
    assert (row.request, row.tenant, row.stage, row.policy) == ("r1", "khouribga", "answer", "test@1")
    assert (row.shadow, row.result, row.checks) == ("candidate", "would_block", 1)
    assert (row.judge.outcome, row.judge.score) == ("passed", 0.1)
    assert (row.candidate.outcome, row.candidate.score) == ("flagged", 0.9)
    assert row.text is None
    assert record.get(row.number) == row


def test_a_growing_answer_has_one_row(tmp_path: Path) -> None:
    record = Disagreements(tmp_path)
    for score in (0.6, 0.7, 0.8):
        record.add(comparison(score=score), "r1", 0)
    record.add(comparison(stage=Stage.PROMPT), "r1", 0)
    answer, prompt = sorted(record.list(), key=lambda row: row.stage)
    assert (answer.checks, answer.candidate.score, prompt.checks) == (3, 0.8, 1)
    assert [row.stage for row in record.list(stage="prompt")] == ["prompt"]
    assert record.list(shadow="another") == []
    assert len(record.list(limit=1)) == 1


@pytest.mark.parametrize("stage", [Stage.PROMPT, Stage.ANSWER, Stage.TEXT])
def test_text_stays_as_long_as_the_tenant_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    record = Disagreements(tmp_path)
    record.add(comparison(stage=stage), "r1", 2)
    record.add(comparison("r2", "not kept", stage=stage), "r2", 0)
    assert [row.text for row in record.list()] == [None, SECRET]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3 * 86400)
    assert [row.text for row in record.list()] == [None, None]
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"not kept" not in files


def test_the_oldest_go(tmp_path: Path) -> None:
    record = Disagreements(tmp_path, most=5)
    for number in range(12):
        record.add(comparison(f"r{number}"), f"r{number}", 0)
    assert {row.request for row in record.list()} == {f"r{number}" for number in range(7, 12)}


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    Disagreements(tmp_path).add(comparison(), "r1", 0)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_several_writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As several gateway replicas do."""
    monkeypatch.setattr(sqlite_file, "PATIENCE", 120)

    def write(name: int) -> None:
        for number in range(10):
            request = f"{name}-{number}"
            Disagreements(tmp_path).add(comparison(request), request, 0)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Disagreements(tmp_path).list(limit=100)) == 40


async def test_comparisons_are_counted_and_disagreements_kept(tmp_path: Path) -> None:
    def counted(result: str) -> float:
        labels = {"shadow": "candidate", "stage": "answer", "result": result}
        return REGISTRY.get_sample_value("mizan_shadow_checks_total", labels) or 0.0

    before = counted("would_block")
    days = {"khouribga": 1}
    listener = ShadowListener(Disagreements(tmp_path), lambda tenant: days[tenant])
    listener.count(comparison())
    await listener.keep(comparison())
    assert counted("would_block") == before + 1
    assert [row.text for row in Disagreements(tmp_path).list()] == [SECRET]
    days.clear()  # a tenant that is gone has allowed nothing
    await listener.keep(comparison("r2"))
    assert Disagreements(tmp_path).list()[0].text is None
    assert Disagreements(tmp_path).list()[0].request == "r2"
    await listener.keep(comparison(""))
    assert len(Disagreements(tmp_path).list()) == 3


async def test_a_record_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.Error):
        Disagreements(tmp_path).add(comparison(), "r1", 0)
    await ShadowListener(Disagreements(tmp_path), lambda _: 0).keep(comparison())
