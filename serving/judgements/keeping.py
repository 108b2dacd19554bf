"""Keeps the judgement of an answer when it is settled, before its last byte leaves."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import structlog

from serving.judgements.store import JudgementStore, JudgementsUnavailable, Kept
from serving.judging.chain import Block, Event, Settlement
from serving.judging.judgement import Judgement
from serving.services import Caller

LOG = structlog.get_logger(__name__)


async def kept(
    events: AsyncGenerator[Event, None],
    store: JudgementStore,
    who: Caller,
    request_id: str,
    facts: dict[str, Any],
) -> AsyncGenerator[Event, None]:
    """Pass events on. A store that fails costs the record, not the answer: it is no audit log.

    `facts` are further members of the record, free of content.
    """
    choices: dict[int, tuple[Judgement, bool]] = {}
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Settlement):
                created = time.time()
                body = {
                    "id": request_id,
                    "object": "judgement",
                    "created": int(created),
                    **facts,
                    "application": who.principal.application,
                    "judgement": event.judgement.public(),
                    "choices": [
                        {"index": index, "blocked": blocked, "judgement": judgement.public()}
                        for index, (judgement, blocked) in sorted(choices.items())
                    ],
                }
                try:
                    await store.keep(Kept(request_id, who.tenant.id, created, body))
                except JudgementsUnavailable as error:
                    LOG.warning("judgement_not_kept", request_id=request_id, reason=str(error))
            elif event.judgement is not None:
                choices[event.choice] = event.judgement, isinstance(event, Block)
            yield event
