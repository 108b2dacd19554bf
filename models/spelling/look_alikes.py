"""Letters that are read as another one, where Unicode itself says nothing of it."""

from string import ascii_lowercase, ascii_uppercase
from typing import Final

CYRILLIC: Final = dict(
    zip("АВЕКМНОРСТУХЅІЈԚԜӀавеікморстухѕјһԁԛԝӏь", "ABEKMHOPCTYXSIJQWIabeikmopctyxsjhdqwlb", strict=True)
)
GREEK: Final = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχ", "ABEZHIKMNOPTYXaikvoptux", strict=True))

FOREIGN: Final = str.maketrans(CYRILLIC | GREEK)
"""Cyrillic and Greek letters to the Latin ones that they pass for inside a Latin word."""

SMALL_CAPITALS: Final = dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnopqrstuvwyz", strict=True))
"""Letters of phonetic alphabets that are also a style of writing; there is no small capital X."""


def _in_shapes(first: int) -> dict[str, str]:
    return {chr(first + number): letter for number, letter in enumerate(ascii_uppercase)}


ENCLOSED: Final = (
    {chr(0x249C + number): letter for number, letter in enumerate(ascii_lowercase)}
    | {chr(0x24D0 + number): letter for number, letter in enumerate(ascii_lowercase)}
    | _in_shapes(0x24B6)
    | _in_shapes(0x1F110)
    | _in_shapes(0x1F130)
    | _in_shapes(0x1F150)
    | _in_shapes(0x1F170)
)
"""Letters in circles, squares and parentheses, which to Unicode are symbols."""
