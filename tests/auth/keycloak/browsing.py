"""A person at Keycloak's own pages, as far as plain forms go."""

import html
import re
from urllib.parse import urljoin

import httpx


class Visitor:
    """Fills in the one form of each page."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password

    def approve(self, address: str, *, decline: bool = False) -> str:
        """Open an address with a device code, log in, confirm or decline; the text of the last page."""
        with httpx.Client(trust_env=False, follow_redirects=True, timeout=60) as client:
            client.event_hooks = {"response": [lambda _: self._send_secure_cookies_to_loopback(client)]}
            page = client.get(address)
            page = self._submit(client, page, {"username": self.username, "password": self.password})
            if 'name="password"' in page.text:
                # Where there are organizations, Keycloak asks for the name on a page of its own.
                page = self._submit(client, page, {"password": self.password})
            assert 'name="accept"' in page.text, page.text[:2000]
            return self._submit(client, page, {"cancel" if decline else "accept": "Yes"}).text

    @staticmethod
    def _send_secure_cookies_to_loopback(client: httpx.Client) -> None:
        """Keycloak marks its cookies as secure. Browsers take loopback for secure, Python does not."""
        for cookie in client.cookies.jar:
            cookie.secure = False

    @staticmethod
    def _submit(client: httpx.Client, page: httpx.Response, fields: dict[str, str]) -> httpx.Response:
        action = re.search(r'<form[^>]*action="([^"]*)"', page.text)
        assert action is not None, page.text[:2000]
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text))
        return client.post(urljoin(str(page.url), html.unescape(action[1])), data=hidden | fields)
