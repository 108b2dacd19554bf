"""`mizan chat`: a conversation in the terminal that shows each answer's verdict."""

from typing import Annotated, Any

import typer
from openai import APIError, DefaultHttpxClient, OpenAI
from rich.console import Console
from rich.markup import escape

from cluster.context import Context
from cluster.instance import Instance

CONSOLE = Console()
ERRORS = Console(stderr=True)
COLOURS = {"passed": "green", "flagged": "red", "undecided": "yellow"}

app = typer.Typer(no_args_is_help=True)


@app.command()
def chat(
    ctx: typer.Context,
    prompt: Annotated[str | None, typer.Argument(help="One question; without it, a conversation.")] = None,
    application: Annotated[str | None, typer.Option(help="Application to speak as.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 256,
    language: Annotated[str, typer.Option(help="Language of refusals: en, fr, ar, ary.")] = "en",
) -> None:
    """Talk to the running stack. Answers stream as the judge passes them; the verdict follows each.

    Examples: mizan chat "Bonjour !"   or   mizan chat   for a conversation (end it with Ctrl-D).
    What was refused is left out of the rest of a conversation.
    """
    from auth.client import TokenRefused  # noqa: PLC0415  not needed by `--help`
    from auth.embedded import embedded_token  # noqa: PLC0415  as above

    context: Context = ctx.obj
    settings = context.settings
    messages: list[dict[str, str]] = []
    while True:
        text = prompt or _ask()
        if text is None:
            return
        messages.append({"role": "user", "content": text})
        try:
            token = embedded_token(settings.identity, application).value
        except TokenRefused as error:
            ERRORS.print(f"[red]No token:[/] {escape(str(error))}", highlight=False)
            raise typer.Exit(1) from error
        connection = OpenAI(
            base_url=f"{Instance(settings).url}/v1",
            api_key=token,
            max_retries=0,
            default_headers={"Accept-Language": language},
            http_client=DefaultHttpxClient(trust_env=False),
            timeout=600,
        )
        try:
            with connection as client:
                answer = _answer(client, settings.native.model, messages, max_tokens)
        except APIError as error:
            ERRORS.print(f"[red]{escape(str(error))}[/]", highlight=False)
            raise typer.Exit(1) from error
        if prompt is not None:
            return
        if answer is None:
            # What was asked is judged with every later question: left in, it would block them all.
            messages.pop()
        else:
            messages.append({"role": "assistant", "content": answer})


def _ask() -> str | None:
    try:
        text = CONSOLE.input("[bold]> [/]")
    except (EOFError, KeyboardInterrupt):
        return None
    return text.strip() or _ask()


def _answer(client: OpenAI, model: str, messages: list[dict[str, str]], max_tokens: int) -> str | None:
    """Print one answer while it streams, then its verdict. Returns its text, and nothing of a refused one."""
    said = ""
    refused = False
    judgement: dict[str, Any] = {}
    request: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": max_tokens}
    with client.chat.completions.create(**request, stream=True) as stream:
        for chunk in stream:
            for choice in chunk.choices:
                delta = choice.delta
                text = delta.content or (f"\n{delta.refusal}" if delta.refusal else "")
                said += text
                refused = refused or bool(delta.refusal)
                CONSOLE.out(text, end="", highlight=False)
            judgement = (chunk.model_extra or {}).get("judgement") or judgement
    CONSOLE.print()
    if judgement:
        colour = COLOURS.get(judgement["outcome"], "yellow")
        tokens, judge = judgement["tokens"], judgement["judge"]["id"]
        CONSOLE.print(
            f"[{colour}]{escape(judgement['outcome'])}[/] [dim]by {escape(judge)}, "
            f"score {judgement['score']}, "
            f"{judgement['calls']} calls, {judgement['latency_ms']:.0f} ms judging, "
            f"{tokens['released']}/{tokens['generated']} tokens released[/]"
        )
    return None if refused else said
