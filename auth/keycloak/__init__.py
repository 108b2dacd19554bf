"""Keycloak as the place where tenants, applications and their rights are kept."""
