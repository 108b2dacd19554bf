"""The device authorization grant (RFC 8628): a person approves at a browser what a terminal asked for."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from auth.client import TokenRefused
from auth.issuer_address import check_address
from auth.strict_json import AmbiguousJson, load_object

_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER: Final = 5.0


class DeviceAuthorization(BaseModel):
    """What the person has to do: open an address and confirm a code. Times in seconds."""

    model_config = ConfigDict(frozen=True)

    device_code: str = Field(repr=False, min_length=1)
    user_code: str = Field(min_length=1, max_length=64)
    verification_uri: Annotated[str, AfterValidator(check_address)]
    verification_uri_complete: Annotated[str, AfterValidator(check_address)] | None = None
    expires_in: float = Field(gt=0)
    interval: float = Field(default=5, ge=0)


class GrantedTokens(BaseModel):
    """The token endpoint's answer; lifetimes in seconds."""

    model_config = ConfigDict(frozen=True)

    access_token: str = Field(repr=False, min_length=1)
    expires_in: float = Field(gt=0)
    refresh_token: str | None = Field(default=None, repr=False)
    refresh_expires_in: float | None = None


class DeviceGrant:
    """Begins the grant for a public client and waits for its outcome."""

    def __init__(
        self,
        client: httpx.Client,
        client_id: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._client_id = client_id
        self._sleep = sleep
        self._elapsed = elapsed

    def begin(self, endpoint: str, scope: str | None = None) -> DeviceAuthorization:
        """Ask for a code. Raises `TokenRefused`."""
        form = {"client_id": self._client_id} | ({"scope": scope} if scope else {})
        status, answer = self._post(endpoint, form)
        if status != 200:
            raise _refused(answer, status)
        try:
            return DeviceAuthorization.model_validate(answer)
        except ValidationError as error:
            raise TokenRefused(f"{endpoint} answered without what RFC 8628 asks for") from error

    def wait(self, endpoint: str, authorization: DeviceAuthorization) -> GrantedTokens:
        """Poll the token endpoint until the person has decided. Raises `TokenRefused`."""
        deadline = self._elapsed() + authorization.expires_in
        interval = authorization.interval
        form = {
            "grant_type": _GRANT,
            "device_code": authorization.device_code,
            "client_id": self._client_id,
        }
        while self._elapsed() < deadline:
            self._sleep(interval)
            status, answer = self._post(endpoint, form)
            if status == 200:
                return granted(answer, endpoint)
            match answer.get("error"):
                case "authorization_pending":
                    continue
                case "slow_down":
                    interval += _SLOWER
                case "access_denied":
                    raise TokenRefused("it was declined in the browser")
                case "expired_token":
                    break
                case _:
                    raise _refused(answer, status)
        raise TokenRefused("nobody approved it in time")

    def refresh(self, endpoint: str, refresh_token: str, scope: str | None = None) -> GrantedTokens:
        """New tokens for a session (RFC 6749, section 6); `scope` narrows them. Raises `TokenRefused`."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": self._client_id,
        } | ({"scope": scope} if scope else {})
        status, answer = self._post(endpoint, form)
        if status != 200:
            raise _refused(answer, status)
        return granted(answer, endpoint)

    def revoke(self, endpoint: str, refresh_token: str) -> None:
        """End the session at the issuer (RFC 7009). Raises `TokenRefused`."""
        form = {
            "token": refresh_token,
            "token_type_hint": "refresh_token",
            "client_id": self._client_id,
        }
        try:
            response = self._client.post(endpoint, data=form)
        except httpx.HTTPError as error:
            raise TokenRefused(f"{endpoint}: {error}") from error
        if response.status_code != 200:
            raise TokenRefused(f"{endpoint} answered {response.status_code}")

    def _post(self, endpoint: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        try:
            response = self._client.post(endpoint, data=form)
            return response.status_code, load_object(response.content)
        except (httpx.HTTPError, AmbiguousJson) as error:
            raise TokenRefused(f"{endpoint}: {error}") from error


def granted(answer: dict[str, Any], endpoint: str) -> GrantedTokens:
    """The tokens in an answer. Raises `TokenRefused` if there are none."""
    try:
        return GrantedTokens.model_validate(answer)
    except ValidationError as error:
        raise TokenRefused(f"{endpoint} answered without a token") from error


def _refused(answer: dict[str, Any], status: int) -> TokenRefused:
    details = answer.get("error_description") or f"status {status}"
    return TokenRefused(f"{answer.get('error', 'no token')}: {details}")
