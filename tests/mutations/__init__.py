"""Faults made by hand, each of which the fast tests must find."""
