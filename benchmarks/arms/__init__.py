"""The named targets of a run, and the comparison between them."""
