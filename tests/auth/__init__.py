"""Token verification, tenants and the development issuer."""
