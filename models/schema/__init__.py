"""The parts of a catalog entry, by subject."""
