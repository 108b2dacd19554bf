"""End to end: the real stack under Ray Serve with both real models."""
