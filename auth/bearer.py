"""Taking the bearer token out of a request's `Authorization` headers (RFC 6750, section 2.1)."""

import re
from collections.abc import Sequence
from typing import Final

from auth.refusals import TokenFault, Unauthenticated

MAX_TOKEN_CHARACTERS: Final = 8192

# b64token of RFC 6750; the class is spelt out because \w would let in other alphabets.
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


def bearer_token(authorization_headers: Sequence[str]) -> str:
    """Return the token of the one `Authorization` header, unparsed but size-capped and ASCII.

    Raises `Unauthenticated`: no header, several, another scheme, oversized, or not a token at all.
    """
    if not authorization_headers:
        raise Unauthenticated(TokenFault.MISSING)
    if len(authorization_headers) > 1:
        raise Unauthenticated(TokenFault.SEVERAL_HEADERS)
    header = authorization_headers[0]
    if len(header) > MAX_TOKEN_CHARACTERS + len("Bearer "):
        raise Unauthenticated(TokenFault.OVERSIZED)
    scheme, _, token = header.partition(" ")
    if not scheme.isascii() or scheme.lower() != "bearer":
        raise Unauthenticated(TokenFault.UNSUPPORTED_SCHEME)
    token = token.strip(" ")
    if not token:
        raise Unauthenticated(TokenFault.MISSING)
    if _TOKEN.fullmatch(token) is None:
        raise Unauthenticated(TokenFault.MALFORMED)
    return token
