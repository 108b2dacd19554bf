"""`mizan policy`: the judging policies, checked and shown."""

import json
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from models.catalog import load_catalog
from models.errors import ModelError
from models.settings import ModelsSettings
from serving.judging.hazard_rules import HazardRule
from serving.judging.hazards import DESCRIPTIONS
from serving.judging.policy import (
    Policy,
    PolicyError,
    load_policies,
    load_policy,
    refuse_repeated_id,
)
from serving.judging.templates.base import Template
from serving.judging.templates.coverage import gaps
from serving.judging.templates.families import template_of
from serving.settings import Settings

CONSOLE = Console()
ERRORS = Console(stderr=True)

app = typer.Typer(no_args_is_help=True)


class HasPolicies(Protocol):
    """The loaded settings, as far as these commands read them."""

    @property
    def policies(self) -> Path: ...

    @property
    def models(self) -> ModelsSettings: ...

    @property
    def settings(self) -> Settings: ...


@app.command()
def lint(
    ctx: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(help="Policy files; all in force if absent.")] = None,
    judge: Annotated[str | None, typer.Option(help="Catalog id of the judge; that of the settings.")] = None,
) -> None:
    """Check policy files. Exit 1 with a sentence for each that is wrong.

    Warns of what the judge can't do: a hazard that it does not know, free text that it does not read.

    Example: mizan policy lint my-policy.yaml --judge llama-guard-3-8b
    """
    context: HasPolicies = ctx.obj
    judge = judge or context.settings.judge.model
    template = _template(context, judge)
    chosen = list(dict.fromkeys(files)) if files else sorted(context.policies.glob("*.yaml"))
    if not chosen:
        raise PolicyError(f"no policies (*.yaml) in {context.policies}")
    wrong = 0
    defined: dict[str, Path] = {}
    for file in chosen:
        try:
            policy = load_policy(file)
            refuse_repeated_id(policy, file, defined)
        except PolicyError as error:
            wrong += 1
            _say(ERRORS, "wrong", "red", str(error))
        else:
            _say(CONSOLE, "sound", "green", f"{file}: {policy.id}@{policy.version}")
            for gap in gaps(policy, template):
                _say(ERRORS, "warning", "yellow", f"{policy.id} under {judge}: {gap}")
    if wrong:
        raise typer.Exit(1)


@app.command()
def show(
    ctx: typer.Context,
    policy_id: Annotated[str | None, typer.Argument(help="Policy; all if absent.")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show the policies in force: mode, thresholds, criteria, and the digest that verdicts carry."""
    context: HasPolicies = ctx.obj
    policies = load_policies(context.policies)
    if policy_id is not None and policy_id not in policies:
        raise PolicyError(f"there is no policy {policy_id!r}; there are {', '.join(policies)}")
    chosen = [policy for name, policy in policies.items() if policy_id in {None, name}]
    if as_json:
        CONSOLE.print_json(json.dumps([_facts(policy) for policy in chosen]))
        return
    for policy in chosen:
        table = Table("rule", "stages", "threshold", "what violates", title=Text(_title(policy)), expand=True)
        for hazard, rule in policy.hazards.items():
            note = "" if rule.blocks else " (reported only)"
            table.add_row(
                hazard.value, ", ".join(rule.stages), _thresholds(rule), f"{DESCRIPTIONS[hazard]}{note}"
            )
        for criterion in policy.criteria:
            threshold = "judge's own" if criterion.threshold is None else f"{criterion.threshold:.2f}"
            table.add_row(criterion.id, ", ".join(criterion.stages), threshold, Text(criterion.description))
        CONSOLE.print(table)


def _template(context: HasPolicies, judge: str) -> Template:
    try:
        entry = load_catalog(context.models).get(judge)
    except ModelError as error:
        ERRORS.print(escape(str(error)), highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    if entry.family is None:
        ERRORS.print(escape(f"{judge} is no judge."), highlight=False, soft_wrap=True)
        raise typer.Exit(2)
    return template_of(entry.family, entry.lineage)


def _say(console: Console, mark: str, colour: str, text: str) -> None:
    """A line on a file; what the file holds is no markup."""
    console.print(Text.assemble((mark, colour), "  ", text), soft_wrap=True)


def _thresholds(rule: HazardRule) -> str:
    if isinstance(rule.threshold, dict):
        return ", ".join(f"{stage} {threshold:.2f}" for stage, threshold in rule.threshold.items())
    return "judge's own" if rule.threshold is None else f"{rule.threshold:.2f}"


def _title(policy: Policy) -> str:
    return f"{policy.id}@{policy.version}, {policy.mode}, {policy.action}, sha256:{policy.digest[:16]}"


def _facts(policy: Policy) -> dict[str, object]:
    return {**policy.model_dump(mode="json"), "digest": policy.digest}
