"""The gateways of the folder above."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import openai
import pytest

from tests.serving.conftest import MakeStack
from tests.serving.gateways import Stack

MakeClient: TypeAlias = Callable[..., openai.OpenAI]


@pytest.fixture
def client(make_stack: MakeStack, serve: Callable[[Stack], str]) -> Iterator[MakeClient]:
    """Serve a stack; a stock SDK client of it."""
    made: list[openai.OpenAI] = []

    def make(application: str = "khouribga-assistant", **changes: Any) -> openai.OpenAI:
        stack = make_stack(**changes)
        made.append(
            openai.OpenAI(
                base_url=f"{serve(stack)}/v1",
                api_key=stack.issuer.token(application),
                max_retries=0,
                timeout=60,
                http_client=openai.DefaultHttpxClient(trust_env=False),
            )
        )
        return made[-1]

    yield make
    for one in made:
        one.close()
