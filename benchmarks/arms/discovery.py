"""What a target says about itself before the load: its models, its version, its server header."""

from dataclasses import dataclass, replace

import httpx

from benchmarks.arms.arm import Arm
from benchmarks.errors import InvalidArmError, SilentTargetError

_TOLD = ("server", "x-mizan-")


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """`models` as /v1/models lists them; `headers` that name versions; `version` from /version if offered."""

    models: tuple[dict[str, object], ...]
    headers: dict[str, str]
    version: str | None


async def discover(arm: Arm) -> tuple[Arm, TargetFacts]:
    """Asks /v1/models; takes the first model where the arm names none.

    Raises SilentTargetError, InvalidArmError.
    """
    async with httpx.AsyncClient(
        headers=arm.headers(), trust_env=False, follow_redirects=False, timeout=10
    ) as client:
        try:
            response = await client.get(f"{arm.base_url}/models")
        except httpx.HTTPError as error:
            raise SilentTargetError(f"arm {arm.name}: {arm.base_url} does not answer: {error}") from error
        if response.status_code != 200:
            hint = (
                " (give token-file= or token-env=)" if response.status_code == 401 and not arm.token else ""
            )
            raise SilentTargetError(
                f"arm {arm.name}: {arm.base_url}/models answers HTTP {response.status_code}{hint}"
            )
        models = _models(arm, response)
        version = await _version(client, arm)
    headers = {
        name.lower(): value[:200]
        for name, value in response.headers.items()
        if name.lower().startswith(_TOLD)
    }
    facts = TargetFacts(models, headers, version)
    if arm.model:
        return arm, facts
    if not models:
        raise InvalidArmError(f"arm {arm.name}: it lists no models, name one with model=ID")
    return replace(arm, model=str(models[0]["id"])), facts


def _models(arm: Arm, response: httpx.Response) -> tuple[dict[str, object], ...]:
    try:
        listed = response.json()["data"]
        models = tuple({**entry, "id": str(entry["id"])} for entry in listed)
    except (ValueError, KeyError, TypeError) as error:
        raise SilentTargetError(f"arm {arm.name}: {arm.base_url}/models is no list of models") from error
    # Of a vLLM entry: permissions say nothing about the run, the root is a path on the server.
    return tuple(
        {key: value for key, value in entry.items() if key not in ("permission", "root")} for entry in models
    )


async def _version(client: httpx.AsyncClient, arm: Arm) -> str | None:
    try:
        response = await client.get(f"{arm.base_url.removesuffix('/v1')}/version")
        if response.status_code == 200:
            return str(response.json()["version"])[:100]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        pass
    return None
