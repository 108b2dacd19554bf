"""What a run found: as a document, on the terminal, as a page."""
