"""Shadow judges as they are deployed: their own applications, their counters, the record of disagreements."""
