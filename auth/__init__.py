"""Who is asking: token verification, principals, tenants and the embedded development issuer."""
