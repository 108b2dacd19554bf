"""The embedded development issuer: a small, real OpenID Connect issuer on loopback."""
