"""Tests of the load benchmark."""
