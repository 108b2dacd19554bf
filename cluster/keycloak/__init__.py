"""A real Keycloak server on loopback: obtained, built once, started, watched and stopped."""
