"""The conformance suite: whether any byte leaves a gateway that no judge has passed."""
