"""What a model may put out beside plain text: tool calls, structured text, log-probabilities, reasoning."""
