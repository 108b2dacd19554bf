"""The local Keycloak server."""
