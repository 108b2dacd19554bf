"""Tool calls, structured text, log-probabilities and reasoning through the gateway."""
