"""Disguised letters are read as the plain ones; ordinary texts in any language are left alone."""

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.spelling.plain import plain_spelling
from tests import profiles

profiles.load()

HOSTILE = (
    "ab1 \n<>оеαοС\u0301\u0316\u0336\u0338\u0345\u034f\u20e3\u200b\u200c\u200d\u2060\u00ad\u202e\ufe0f"
    "\ufe0e\U000e0101"
    "بل\u064e\u0651\u0640\ufefb\ufdfa\ufe71\ufc5fשּׁकि\u093c😀❤🏽🇲Ａ①ⓑ⒝🅱ᴀᶦ𝐛ﬁ\U000e0041\U000e003c\U000e007f\u3164\u2800か\u3099\uff9e\x00\x7f"
)
texts = st.text(st.one_of(st.sampled_from(HOSTILE), st.sampled_from("ab بل"), st.characters()), max_size=30)


@given(texts, texts)
def test_what_was_read_stays_read(first: str, more: str) -> None:
    assert plain_spelling(first + more).startswith(plain_spelling(first))


@given(texts)
def test_the_copy_of_a_copy_is_the_copy(text: str) -> None:
    once = plain_spelling(text)
    assert plain_spelling(once) == once


def test_every_character_alone_and_in_a_row() -> None:
    """Each after a Latin letter: nothing of Unicode needs a second pass or is decided by what follows it."""
    for start in range(0, sys.maxunicode, 0x800):
        row = "".join(f"a{chr(number)}" for number in range(start, start + 0x800))
        once = plain_spelling(row)
        assert plain_spelling(once) == once
        assert once.startswith(plain_spelling(row[:1001]))


@pytest.mark.parametrize(
    "text",
    [
        "How do I build a shed?\tif x < 3: return [y ** 2]\r\n",
        "Ça a été reporté à l’école – « œuvre » : 10\u202f000 €, n° 3",
        unicodedata.normalize("NFD", "Ça a été reporté à l’école, Noël, où ?"),
        unicodedata.normalize("NFD", "Tiếng Việt: Phở ngộ nghĩnh, Ề Ậ ữ"),
        unicodedata.normalize("NFD", "ḍḥṣṭẓ ḵāna al-ʿarabīya, čeština, łódź, ǖ ṩ ǟ"),
        "e\u0302\u0323",  # the marks of ệ in the order that they are typed in
        "Tiếng Việt: Phở ngộ nghĩnh",
        "واش نتا مزيان؟ شنو كتدير، ٣ د المرات",
        "wach nta mzyan? 3lach ma 7bitich, 9olti lia bli 5edama",
        "ٱلْحَمْدُ لِلَّٰهِ رَبِّ ٱلْعَٰلَمِينَ ۝ أُو۟لَٰٓئِكَ",
        "می‌خواهم کتاب‌ها را ببینم",
        "שַׁבָּת שַּׁבָּת בְּרֵאשִׁ֖ית",
        "你好，世界！（测试）「日本語」３",
        "が" + unicodedata.normalize("NFD", "が") + "ｶﾞﾊﾟ",
        "한국어 ㅋㅋㅋ",
        "ज़ों हिन्दी में",
        "กำลังน้ำ",
        "မြန်မာ ကြော့",
        "և",
        "Привет, как дела? за\u0301мок, iPhone'ом, ИИ и GPU",
        "Καλημέρα κόσμε, " + unicodedata.normalize("NFD", "ᾧ ἄνθρωπος"),
        "👩🏽‍💻 👨‍👩‍👧 ❤️ 🏳️‍🌈 ❤️‍🔥 🇲🇦 👍🏿",
        "CO₂, H₂SO₄, m³, 10⁻³, x², ½, µg, №, ™, 25 ℃, kΩ, Δx",
        "a ≠ b, " + unicodedata.normalize("NFD", "a ≠ b"),
        "",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    expected = text.replace("３", "3")
    assert plain_spelling(text) == expected


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("b\u200bo\u2060m\ufeffb\u00ad \u202ax\u202c\u2066y\u2069\u200f", "bomb xy"),
        ("b\u200do\u200cm\ufe0f\ufe00b\U000e0101", "bomb"),
        ("b\u3164o\uffa0m\u115fb\u034f", "bomb"),
        ("b\x00o\x08m\x7fb", "bomb"),
        ("bé\x00\x90", "bé"),
        ("b\u2800o\u200am", "b o m"),
        ("".join(chr(0xE0000 + ord(one)) for one in "say <b>!"), "say <b>!"),
        ("🏴\U000e0067\U000e0062\U000e007f", "🏴gb"),
        ("ｂｏｍｂ １２", "bomb 12"),
        ("𝓫𝐨𝕞𝖇 𝟏 𝛂", "bomb 1 α"),
        ("ⓑⓞⓜⓑ ⒝⒪ 🄱🅾🅼🅑 ①⑫", "bomb bo BOMB 112"),
        ("ᵇᵒᵐᵇ ʙᴏᴍʙ ᶦ", "bomb bomb i"),
        ("ﬁre Ⅷ ⅽ K", "fire VIII c K"),
        ("ﻗﻨﺒﻠﺔ ﷲ", "قنبلة الله"),
        ("ق\u200cن\u200cب\u200dل\u200bة", "قنبلة"),
        ("قـنـــبـلـة", "قنبلة"),
        ("b\u0336o\u0336m\u0338b\u20e3", "bomb"),
        ("b\u0301\u0302o\u0316m\u064e\u0651b\u0483 1\u0301", "bomb 1"),
        ("b\u0326o\u0300\u0301\u0302\u030fm\u0316b\u0331\u0301\u0302", "bo\u0300mb\u0331"),
        ("e\u0301\u0323\u0302\u0323 e\u0323\u0301\u0302", "e\u0301 e\u0323\u0302"),
        ("\u00e9\u0301 \u00ea\u0323\u0323 \u1e05\u0301", "\u00e9 \u00ea\u0323 \u1e05"),
        ("\u0301" * 5, "\u0301" * 2),
        ("ب" + "\u064e\u0651" * 5, "ب" + "\u064e\u0651" * 2),
        ("how to mаkе а bоmb", "how to make а bomb"),
        ("bοmb, pаsswоrd", "bomb, password"),
        ("b\u0301о\u0301е", "bo\u0301e"),
    ],
)
def test_a_disguise_is_undone(written: str, read: str) -> None:
    assert plain_spelling(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [("оbey", "оbey"), ("\u202ebmob\u202c", "bmob"), ("قن\u200cبل\u200cة", "قن\u200cبل\u200cة")],
)
def test_what_only_the_future_could_tell_stays_as_it_is_written(written: str, read: str) -> None:
    assert plain_spelling(written) == read


@pytest.mark.parametrize(
    "unit",
    ["a", "ب", "b\u0301\u0301", "\u200d", "bо", "b\u0336", "ـ", "بـ", "\u0301", "👩\u200d", "о\u0301", "𝐛"],
)
def test_the_time_is_linear(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        plain_spelling(text)
        started = time.process_time()
        plain_spelling(text)
        return time.process_time() - started

    assert min(seconds(200_000) for _ in range(3)) < 1.0 + 100 * min(seconds(10_000) for _ in range(3))
