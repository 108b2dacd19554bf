"""The caller of a request, as its verified token describes it."""

from dataclasses import dataclass
from typing import Final

from auth.refusals import Denial, Forbidden

NO_TENANT: Final = ""
"""The tenant of an operator: somebody who runs the stack and owns no tenant's data."""

TENANT_SCOPES: Final = frozenset({"chat", "moderate", "usage"})
"""What an application may be allowed to do within its tenant."""

OPERATOR_SCOPES: Final = frozenset({"supervisor", "admin"})
"""What reaches across tenants."""

SCOPES: Final = TENANT_SCOPES | OPERATOR_SCOPES


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a verified access token speaks for.

    `tenant` is the tenant's id, or `NO_TENANT` for an operator; `application` the OAuth client;
    `subject` the `sub` claim; `token_id` the `jti` claim; `expires_at` seconds since the epoch.
    """

    tenant: str
    application: str
    subject: str
    scopes: frozenset[str]
    token_id: str | None
    expires_at: float

    def require(self, scope: str) -> None:
        """Raise `Forbidden` (insufficient_scope) unless the token carries `scope`."""
        if scope not in self.scopes:
            raise Forbidden(Denial.SCOPE, required_scope=scope)
