"""The console guide, carried out in a real browser."""
