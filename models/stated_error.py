"""What the person at the command line can mend."""


class StatedError(Exception):
    """Wrong input or a missing part; the text says in a sentence what and where, so no traceback is shown."""
