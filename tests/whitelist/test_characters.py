"""Hidden characters are found, and shown so that no two texts look alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.whitelist.domain.characters import Kind, hidden_characters, name_characters, visible

CASES = [
    ("\0", Kind.CONTROL), ("\t", Kind.CONTROL), ("\n", Kind.CONTROL), ("\r", Kind.CONTROL), ("\x1b", Kind.CONTROL), ("\x7f", Kind.CONTROL), ("\x85", Kind.CONTROL),
    ("\u202e", Kind.BIDI), ("\u2066", Kind.BIDI), ("\u200f", Kind.BIDI), ("\u061c", Kind.BIDI), ("\u200b", Kind.ZERO_WIDTH), ("\u200d", Kind.ZERO_WIDTH),
    ("\ufeff", Kind.ZERO_WIDTH), ("\u00ad", Kind.ZERO_WIDTH), ("\u00a0", Kind.SPACE), ("\u2003", Kind.SPACE), ("\u3000", Kind.SPACE), ("\u2028", Kind.SEPARATOR),
    ("\u0301", Kind.COMBINING), ("\ufe0f", Kind.COMBINING), ("\ud800", Kind.SURROGATE), ("\U000e0041", Kind.FORMAT), ("\u3164", Kind.BLANK),
    ("\ue000", Kind.UNASSIGNED), ("\uffff", Kind.UNASSIGNED),
]  # fmt: skip


@pytest.mark.parametrize(("character", "kind"), CASES, ids=ascii)
def test_kinds(character: str, kind: Kind) -> None:
    (finding,) = hidden_characters(f"a{character}b")
    assert (finding.index, finding.kind, finding.codepoint) == (1, kind, ord(character))
    assert finding.label in finding.reason
    assert character not in visible(f"a{character}b")


@pytest.mark.parametrize("text", ["", "plain ~!", "caf\u00e9", "\u6f22\u5b57", "\U0001f600"])
def test_what_people_write_is_not_hidden(text: str) -> None:
    assert hidden_characters(text) == ()
    assert visible(text) == text


def test_visible() -> None:
    assert visible("a\u202eb\nc") == "a\u27e8U+202E\u27e9b\u23cec"
    assert visible("\u27e8U+202E\u27e9") == "\u27e8U+27E8\u27e9U+202E\u27e8U+27E9\u27e9"
    assert visible("a\u23ce") == "a\u27e8U+23CE\u27e9"


def test_names_are_ascii() -> None:
    assert [finding.kind for finding in name_characters("l\u0455\u200b")] == [Kind.NOT_ASCII, Kind.ZERO_WIDTH]
    assert name_characters("ls") == ()


@given(
    st.text(st.sampled_from("ab\u27e8\u27e9\u23ce\n\u202eU+202E"), max_size=12),
    st.text(st.sampled_from("ab\u27e8\u27e9\u23ce\n\u202eU+202E"), max_size=12),
)
def test_different_texts_look_different(one: str, other: str) -> None:
    assert (visible(one) == visible(other)) is (one == other)


@given(st.text(st.characters()))
def test_what_is_visible_hides_nothing(text: str) -> None:
    assert hidden_characters(visible(text)) == ()
