"""Property tests of judging run under the profile that the environment names."""

from tests import profiles

profiles.load()
