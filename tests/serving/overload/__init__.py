"""Tests of what happens when the judge cannot keep up."""
