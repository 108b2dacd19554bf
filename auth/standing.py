"""Whether a token that was verified offline still stands at this moment: asked of whoever issued it."""

from pathlib import Path
from typing import Protocol

from auth.claims import printable
from auth.issuer_http import IssuerHttp
from auth.keycloak.credentials import UnusableCredentials, read_client
from auth.mapping import ClaimsMapping
from auth.principal import Principal
from auth.refusals import IssuerUnavailable, TokenFault, Unauthenticated
from auth.tenant_file import TenantFile


class Standing(Protocol):
    """Knows what a token is still good for."""

    async def scopes(self, token: str, principal: Principal) -> frozenset[str]:
        """The scopes that the bearer of a verified token has now.

        Raises `Unauthenticated` if the token was revoked, `IssuerUnavailable` if nobody can say.
        """
        ...


class IntrospectedStanding:
    """Asks the issuer by token introspection (RFC 7662), as the client in a credentials file.

    Nothing is remembered: a session that was ended, a person who was disabled or a role that was taken away
    counts at the next request.
    """

    def __init__(
        self, http: IssuerHttp, mapping: ClaimsMapping, credentials: Path, url: str | None = None
    ) -> None:
        """`url` skips discovery."""
        self._http = http
        self._mapping = mapping
        self._credentials = credentials
        self._url = url

    async def scopes(self, token: str, principal: Principal) -> frozenset[str]:
        try:
            client = read_client(self._credentials)
        except UnusableCredentials as error:
            raise IssuerUnavailable(f"tokens cannot be introspected: {error}") from error
        if self._url is None:
            self._url = await self._http.endpoint("introspection_endpoint", "introspection_url")
        form = {"token": token, "token_type_hint": "access_token"}
        answer = await self._http.post(self._url, form, client.client_id, client.client_secret)
        if answer.get("active") is not True:
            raise Unauthenticated(TokenFault.REVOKED)
        if printable(answer.get("sub")) != principal.subject:
            raise IssuerUnavailable("the introspection endpoint speaks of another token")
        return self._mapping.scopes(answer)


class ListedStanding:
    """The development issuer: what the tenants file says of the application now."""

    def __init__(self, file: TenantFile) -> None:
        self._file = file

    async def scopes(self, token: str, principal: Principal) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        found = self._file.current().application(principal.application)
        if found is None:
            raise Unauthenticated(TokenFault.REVOKED)
        return found[0].scopes


class UnknownStanding:
    """No way to ask is configured: what needs it is refused."""

    async def scopes(self, token: str, principal: Principal) -> frozenset[str]:  # noqa: ARG002 - as above
        raise IssuerUnavailable("tokens cannot be introspected: set identity.introspection_file")
