"""Load generation, measures and reports. Speaks HTTP only, to any OpenAI-compatible server."""
