"""Tests of the judge training and its data."""
