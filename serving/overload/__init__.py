"""What happens when the judge cannot keep up, or is gone: new work is refused before it costs anything."""
