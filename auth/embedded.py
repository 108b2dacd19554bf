"""Tokens of the embedded development issuer, for whoever may read its state."""

import httpx

from auth.client import AccessToken, TokenRefused, TokenSource
from auth.issuer.state import StateFile, UnusableState
from auth.settings import IdentitySettings

DEFAULT_APPLICATION = "khouribga-assistant"


def embedded_token(
    settings: IdentitySettings, application: str | None = None, scope: str | None = None
) -> AccessToken:
    """An access token for one of the issuer's applications. Raises `TokenRefused` with the reason."""
    application = application or DEFAULT_APPLICATION
    if not settings.embedded.enabled:
        raise TokenRefused(f"the embedded issuer is switched off; ask {settings.issuer_url} for a token")
    try:
        secrets = StateFile(settings.embedded.state_dir).read().client_secrets
    except UnusableState as error:
        raise TokenRefused(str(error)) from error
    if not secrets:
        raise TokenRefused(f"the development issuer has not run yet ({settings.embedded.state_dir} is empty)")
    if application not in secrets:
        raise TokenRefused(
            f"there is no application {application!r}; choose from {', '.join(sorted(secrets))}"
        )
    with httpx.Client(trust_env=False, timeout=settings.http_timeout_seconds) as client:
        return TokenSource(client, settings.issuer_url, application, secrets[application], scope).token()
