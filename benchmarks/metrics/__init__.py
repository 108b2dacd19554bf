"""What is measured: one metric per file, each says what it is."""
