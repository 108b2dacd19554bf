"""A request's way through the stack: gateway, engines, judging."""
