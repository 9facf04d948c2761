"""What a sender put into a delivery cannot act on the operator's terminal."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.cli.output import print_json, print_table, printable, printable_lines


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\rb", "a\\rb"),
        ("line\nbreak", "line\\nbreak"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("\u2066hidden\u2069", "\\u2066hidden\\u2069"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
    ],
)
def test_characters_that_act_on_a_terminal_are_spelled_out(hostile, shown):
    assert printable(hostile) == shown


@given(st.text(st.characters()))
def test_whatever_is_sent_is_shown_as_characters_that_only_show(text):
    shown = printable(text)
    assert not any(unicodedata.category(character)[0] == "C" or character in "\u2028\u2029" for character in shown)
    shown.encode("utf-8")
    lines = printable_lines(text).replace("\n", "").replace("\t", "")
    assert not any(unicodedata.category(character)[0] == "C" for character in lines)


def test_ordinary_text_of_any_script_is_left_alone():
    assert printable("Grüße, 東京, 🎉, a b") == "Grüße, 東京, 🎉, a b"
    assert printable(None) == ""
    assert printable(3) == "3"


def test_lines_and_tabs_stay_where_text_has_lines():
    assert printable_lines('{\n\t"a": "\x1b[0m"\n}') == '{\n\t"a": "\\x1b[0m"\n}'


def test_a_piped_table_neither_folds_nor_cuts_nor_reads_markup(capsys):
    long = "x" * 500
    print_table(("A", "B"), [(long, "[red]not red[/red]")])
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["A", "B"]
    assert row.split(maxsplit=1) == [long, "[red]not red[/red]"]


def test_json_is_ascii_so_that_no_terminal_acts_on_it(capsys):
    print_json({"name": "\x1b\u202e"})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert "\x1b" not in printed
    assert json.loads(printed) == {"name": "\x1b\u202e"}
