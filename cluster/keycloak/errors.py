"""What can go wrong with the local Keycloak server, as types."""


class LocalKeycloakError(Exception):
    """Base of this package's errors; its text is one sentence for the operator."""


class MissingPart(LocalKeycloakError):  # noqa: N818 - says what is the case
    """Java, Maven or a distribution cannot be found."""


class UnexpectedArchive(LocalKeycloakError):  # noqa: N818 - says what is the case
    """An archive was delivered, but it is not the one whose digest is pinned."""


class BuildFailed(LocalKeycloakError):  # noqa: N818 - says what is the case
    """The distribution could not be unpacked or built."""


class StartFailed(LocalKeycloakError):  # noqa: N818 - says what is the case
    """The server ended or did not become ready in time."""
