"""The development issuer over real HTTP."""
