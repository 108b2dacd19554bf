"""Where a text is cut into overlapping pieces: the same in training, calibration and serving."""

OVERLAP = 0.25
"""Share of a piece that the next one repeats, so that nothing hides on a seam."""


def starts(length: int, piece: int) -> list[int]:
    """Where pieces of `piece` tokens begin in a text of `length`, the last of which may be shorter.

    There is one at least, and none that the one before holds whole.
    """
    repeated = int(piece * OVERLAP)
    return [
        start
        for start in range(0, max(1, length), max(1, piece - repeated))
        if start == 0 or start + repeated < length
    ]
