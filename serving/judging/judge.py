"""A judge made of a family's template and a judge model that scores labels."""

import time
from collections.abc import Sequence

from serving.judging.conversation import Check, all_that_was_asked
from serving.judging.policy import ENFORCED, Policy
from serving.judging.prompt import Question
from serving.judging.protocols import JudgeError, Scorer
from serving.judging.templates.base import Reply, SecondRound, Template
from serving.judging.verdict import Finding, Outcome, Verdict


class TemplateJudge:
    """Asks every question of a check in one call and decides from the label probabilities."""

    def __init__(self, template: Template, scorer: Scorer, id: str, digest: str) -> None:  # noqa: A002  the protocol's name
        self.id = id
        self.digest = digest
        self._template = template
        self._scorer = scorer

    async def judge(self, check: Check, policy: Policy) -> Verdict:
        """Decide one check. Raises JudgeError where there is nothing to decide from.

        A prompt of several turns is judged twice in the one call: its last message in its context, and all
        that was asked in the conversation.
        """
        started = time.perf_counter()
        whole = all_that_was_asked(check)
        questions = self._template.questions(check, policy)
        more = () if whole is None else self._template.questions(whole, policy)
        if more == questions:
            # A family of one exchange reads all that was asked anyway.
            whole, more = None, ()
        if not questions:
            raise JudgeError("no_question", f"policy {policy.id} asks nothing at stage {check.stage}")
        answers = await self._ask((*questions, *more))
        findings, replies = await self._read(answers[: len(questions)], check, policy)
        outcome, reason = decide(findings, policy.label_mass_floor)
        alone = outcome
        if whole is not None:
            further, others = await self._read(answers[len(questions) :], whole, policy)
            findings, replies = worse(findings, further, policy.label_mass_floor), replies + others
            outcome, reason = decide(findings, policy.label_mass_floor)
        worst = decisive(findings)
        scores = [reply.scores for reply in replies]
        return Verdict(
            outcome=outcome,
            stage=check.stage,
            judge=self.id,
            judge_digest=self.digest,
            policy=policy.id,
            policy_version=policy.version,
            policy_digest=policy.digest,
            score=worst.score,
            label_mass=min(finding.label_mass for finding in findings),
            findings=findings,
            reason=reason,
            latency=time.perf_counter() - started,
            prompt_tokens=sum(score.prompt_tokens for score in scores),
            cached_tokens=sum(score.cached_tokens for score in scores),
            pieces=max(len(score.pieces) for score in scores),
            context_shortened=any(score.context_shortened for score in scores),
            earlier_turns=outcome is Outcome.FLAGGED and alone is Outcome.PASSED,
        )

    async def _ask(self, questions: Sequence[Question]) -> list[Reply]:
        scores = await self._scorer.score(questions)
        if len(scores) != len(questions) or any(not score.pieces for score in scores):
            raise JudgeError("garbled", "the judge answered another number of questions than were asked")
        for question, score in zip(questions, scores, strict=True):
            if any(set(piece) != set(question.labels) for piece in score.pieces):
                raise JudgeError("garbled", "the judge answered with other labels than were asked for")
        return [Reply(question, score) for question, score in zip(questions, scores, strict=True)]

    async def _read(
        self, replies: list[Reply], check: Check, policy: Policy
    ) -> tuple[tuple[Finding, ...], list[Reply]]:
        """What was found, named as well as the family can, and all that was asked for it."""
        findings = self._template.findings(replies, policy)
        if policy.enforcing and check.stage in ENFORCED and not any(finding.blocks for finding in findings):
            # What the policy blocks at this stage is nothing that this judge can be asked about.
            raise JudgeError("no_question", f"nothing asked at stage {check.stage} can block")
        if any(finding.flagged for finding in findings):
            return await self._refined(findings, replies, policy)
        return findings, replies

    async def _refined(
        self, findings: tuple[Finding, ...], replies: list[Reply], policy: Policy
    ) -> tuple[tuple[Finding, ...], list[Reply]]:
        """Ask which hazard it is, where the family can say. Where that fails, the findings stand."""
        if not isinstance(self._template, SecondRound):
            return findings, replies
        questions = self._template.follow_up(replies, findings, policy)
        if not questions:
            return findings, replies
        try:
            answers = await self._ask(questions)
        except JudgeError:
            return findings, replies
        return self._template.refined(findings, replies, answers, policy), replies + answers


def decisive(findings: Sequence[Finding]) -> Finding:
    """Whose score the verdict carries: what went furthest beyond its threshold or came nearest to it, of what
    blocks where anything does."""
    blocking = [finding for finding in findings if finding.blocks] or findings
    return max(blocking, key=lambda finding: finding.score - finding.threshold)


def worse(some: Sequence[Finding], others: Sequence[Finding], floor: float) -> tuple[Finding, ...]:
    """Each kind of finding once, as it was found worse; a doubtful one besides, as doubt outweighs a pass."""
    kept: dict[tuple[str, str | None, bool, bool], Finding] = {}
    for finding in (*some, *others):
        key = (finding.criterion, finding.category, finding.blocks, _is_sound(finding, floor))
        known = kept.get(key)
        if known is None or finding.score - finding.threshold > known.score - known.threshold:
            kept[key] = finding
    return tuple(kept.values())


def _is_sound(finding: Finding, floor: float) -> bool:
    return 0.0 <= finding.score <= 1.0 and 0.0 <= finding.threshold <= 1.0 and finding.label_mass >= floor


def decide(findings: Sequence[Finding], floor: float) -> tuple[Outcome, str | None]:
    """A flag outweighs doubt, doubt outweighs a pass; a finding that does not block passes, unless in doubt.

    Doubt is a score or threshold outside 0 to 1 (NaN included), or labels that hold less than `floor` of the
    probability.
    """
    sound = [finding for finding in findings if _is_sound(finding, floor)]
    if any(finding.flagged and finding.blocks for finding in sound):
        return Outcome.FLAGGED, None
    if len(sound) < len(findings) or not findings:
        return Outcome.UNDECIDED, "unsure"
    return Outcome.PASSED, None
