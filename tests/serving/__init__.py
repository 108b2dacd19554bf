"""The gateway in one process: real issuer, real tenants, real judging, simulated models."""
