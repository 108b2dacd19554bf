"""What a run leaves behind: progress, table, JSON."""
