"""How hard property tests search: `HYPOTHESIS_PROFILE` is `fast` (default), `nightly` or `mutations`."""

import os

from hypothesis import HealthCheck, Phase, settings

NAME = "HYPOTHESIS_PROFILE"
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def load() -> None:
    """Make the profile that the environment names the current one."""
    settings.load_profile(os.environ.get(NAME, "fast"))


settings.register_profile(
    "fast",
    max_examples=75,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=_QUIET,
)
settings.register_profile(
    "nightly", max_examples=10_000, deadline=None, print_blob=True, suppress_health_check=_QUIET
)
# A mutant has only to be caught: nobody reads its smallest example.
settings.register_profile(
    "mutations",
    parent=settings.get_profile("fast"),
    max_examples=200,
    phases=[Phase.explicit, Phase.generate],
)
