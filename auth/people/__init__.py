"""People at a terminal: logging in with the device grant, and the session that this leaves."""
