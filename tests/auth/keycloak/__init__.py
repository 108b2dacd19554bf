"""Keycloak as the tenant directory: the real server where it can be had, a scripted one for faults."""
