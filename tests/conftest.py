"""For all tests: how hard properties are searched, set before any module freezes Hypothesis' own defaults."""

from tests import profiles

profiles.load()
