"""Tests of the copy of a text that a judge reads."""
