"""One file per judge family: how it is asked, and how its label probabilities are read."""
