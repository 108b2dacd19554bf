"""What can go wrong around the load itself. Failures of single requests are outcomes, not errors."""


class BenchmarkError(Exception):
    """A benchmark that cannot be run as asked. The message is one sentence for the user."""


class InvalidArmError(BenchmarkError):
    """An `--arm` that cannot be read: bad syntax, bad URL, unreadable token."""


class RemoteTargetError(BenchmarkError):
    """A target off this machine without the user's explicit permission."""


class InvalidPlanError(BenchmarkError):
    """Levels, counts or times outside the bounds of a run."""


class InvalidScenarioError(BenchmarkError):
    """A prompt set that does not exist or does not follow its schema."""


class SilentTargetError(BenchmarkError):
    """A target that answered none of its warm-up requests: nothing could be measured."""
