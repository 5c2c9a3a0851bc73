"""YAML in: what the scalars are, and the line for everything that is refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dimebench.config import ConfigError, load_yaml, parse_value
from tests.config.conftest import Write, one_line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 0.0003),
        ("1e6", 1000000.0),
        ("1E+6", 1000000.0),
        (".5", 0.5),
        ("-.5e1", -5.0),
        ("1.", 1.0),
        ("8", 8),
        ("+8", 8),
        ("-5", -5),
        ("017", 17),
        ("0o17", 15),
        ("0xff", 255),
        ("1_000_000", 1000000),  # not in YAML 1.2's core schema; ruamel's extension, kept
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("2020-01-01", "2020-01-01"),
        ("12:30:00", "12:30:00"),
        ("_", "_"),
        ("-", "-"),
        ("1_", "1_"),
        ("relu", "relu"),
        ("'8'", "8"),
        ('"a b"', "a b"),
        ('""', ""),
        ("[64, 64]", [64, 64]),
        ("[64,64]", [64, 64]),
        ("[[1, no], []]", [[1, "no"], []]),
        ("{lower: 0, upper: 1e3}", {"lower": 0, "upper": 1000.0}),
    ],
)
def test_a_value_is_read_by_yaml_1_2(text: str, value: Any) -> None:
    read = parse_value(text) if text != "-" else "-"  # a bare dash starts a list
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "no value given"),
        ("  ", "no value given"),
        ("# 8", "no value given"),
        ("-", "must be one value, such as 8, 3e-4, relu or [64, 64]"),
        ("- 8", "must be one value, such as 8, 3e-4, relu or [64, 64]"),
        ("a: b", "must be one value, such as 8, 3e-4, relu or [64, 64]"),
        ("--- 8", "must be one value, such as 8, 3e-4, relu or [64, 64]"),
        ("|", "must be one value, such as 8, 3e-4, relu or [64, 64]"),
        ("8 # eight", "must be one value, without a comment after it"),
        ("[1] # one", "must be one value, without a comment after it"),
        ("1\n2", "the value holds a line break or another character that cannot be printed"),
        ("[64, 64", "malformed value: expected ',' or ']', but got the end"),
        ("@x", "malformed value: found character '@' that cannot start any token"),
        (".inf", ".inf is not a finite number"),
        ("[.nan]", ".nan is not a finite number"),
        ("1e400", "1e400 is too large for a floating-point number"),
        ("9" * 65, "the number 99999999999999999... is longer than 64 characters"),
        ("x" * 4097, "the value is longer than 4096 characters"),
        (
            "!!python/object:os.system x",
            "tag tag:yaml.org,2002:python/object:os.system: tags are not read; write the plain value",
        ),
        ("&a 8", "anchor &a: anchors and aliases are not read; write it out"),
        ("*a", "alias *a: anchors and aliases are not read; write it out"),
        ("{a: 1, a: 2}", "a: the key stands twice, first on line 1"),
        ("[" * 40 + "]" * 40, "is nested more than 32 deep"),
    ],
)
def test_a_value_that_is_refused_says_why(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_value(text)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "suites/small.yaml: is empty; a suite names at least its tasks and algorithms"),
        ("# nothing\n---\n", "suites/small.yaml: is empty; a suite names at least its tasks and algorithms"),
        ("- a\n- b\n", "suites/small.yaml:1: must be a mapping of keys to values, not a list"),
        ("just text\n", "suites/small.yaml:1: must be a mapping of keys to values, not 'just text'"),
        ("name: a\n\tx: 1\n",
         "suites/small.yaml:2: malformed YAML: found character '\\t' that cannot start any token"),
        ("name: a\nb: 1 c: 2\n", "suites/small.yaml:2: malformed YAML: mapping values are not allowed here"),
        (
            "name: a\ntasks: [a,\n  b\nx: 1\n",
            "suites/small.yaml:4: malformed YAML: expected ',' or ']', but got ':', "
            "while parsing a flow sequence that starts on line 2",
        ),
        (
            "name: 'a\nx: 1\n",
            "suites/small.yaml:3: malformed YAML: found unexpected end of stream, "
            "while scanning a quoted scalar that starts on line 1",
        ),
        ("budget: {}\nname: a\nbudget: {}\n", "suites/small.yaml:3: budget: the key stands twice, first on line 1"),
        (
            "budget:\n  env_steps: 1\n  env_steps: 2\n",
            "suites/small.yaml:3: budget.env_steps: the key stands twice, first on line 2",
        ),
        (
            "a: &x {b: 1}\nc: *x\n",
            "suites/small.yaml:1: anchor &x: anchors and aliases are not read; write it out",
        ),
        ("a:\n  <<: *x\n", "suites/small.yaml:2: alias *x: anchors and aliases are not read; write it out"),
        ("*x : 1\n", "suites/small.yaml:1: alias *x: anchors and aliases are not read; write it out"),
        ("a: !!set {b}\n",
         "suites/small.yaml:1: tag tag:yaml.org,2002:set: tags are not read; write the plain value"),
        ("a: 1\n---\nb: 2\n", "suites/small.yaml:2: a second document starts here; one file holds one"),
        ("%YAML 1.1\n---\na: no\n", "suites/small.yaml:2: only YAML 1.2 is read; remove the %YAML line"),
        ("1: a\n", "suites/small.yaml:1: a key must be text, not 1"),
        ("a: 1\n? [b]\n: c\n", "suites/small.yaml:2: a key must be text, not a collection"),
        ("a: 1\nb: .inf\n", "suites/small.yaml:2: .inf is not a finite number"),
        ("a: \x00\n", "suites/small.yaml:1: malformed YAML: holds a control character"),
        ('a: 1\nb: "\\UFFFFFFFF"\n', "suites/small.yaml:1: malformed YAML: OverflowError in the parser: "
         "Python int too large to convert to C int"),
    ],
)  # fmt: skip
def test_a_file_that_is_refused_says_where(write: Write, text: str, line: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load_yaml(path)
    assert str(caught.value) == line


def test_yaml_1_2_words_stay_text_in_a_file(write: Write) -> None:
    path = write("on: no\nlr: 3e-4\nsteps: 1e6\ndate: 2020-01-01\nlist:\n- off\n- 010\n")
    assert load_yaml(path) == {
        "on": "no", "lr": 0.0003, "steps": 1e6, "date": "2020-01-01", "list": ["off", 10]
    }  # fmt: skip


def test_a_directory_in_the_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").mkdir()
    with pytest.raises(ConfigError, match=r"^x\.yaml: is a directory, not a YAML file$"):
        load_yaml("x.yaml")


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"\x7fELF\x02\x01\x01\x00\xff\xfe", "suites/small.yaml:1: is not UTF-8 text"),
        (b"name: a\nb: \xff\n", "suites/small.yaml:2: is not UTF-8 text"),
        ("name: a\n".encode("utf-16"), "suites/small.yaml:1: is not UTF-8 text"),
        (b"#" * 100_001, "suites/small.yaml: is larger than 100 kB, too large for a suite"),
    ],
)
def test_binary_garbage(write: Write, raw: bytes, line: str) -> None:
    path = write("")
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as caught:
        load_yaml(path)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nope.yaml", "nope.yaml: no such file"),
        ("nul\0.yaml", "nul\\x00.yaml: cannot be read (embedded null byte)"),
        ("x" * 300 + ".yaml", "x" * 300 + ".yaml: cannot be read (File name too long)"),
        ("/dev/null", "/dev/null: is not a regular file"),
    ],
)
def test_a_path_that_cannot_be_read(name: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_yaml(name)
    assert str(caught.value) == line


def test_a_byte_order_mark_and_windows_line_ends_are_read(write: Write) -> None:
    path = write("")
    path.write_bytes(b"\xef\xbb\xbfname: a\r\ntasks:\r\n- b\r\n")
    assert load_yaml(path) == {"name": "a", "tasks": ["b"]}


def test_a_message_is_always_one_printable_line() -> None:
    assert str(ConfigError("a\nb\r\x1b[31m\ud800é")) == "a b \\x1b[31m\\ud800é"


MARKS = ["a", "b", ": ", ":", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", "'", '"', "#", "\\", "\\U", "~", "\0"]
WHOLE = ["&x ", "*x", "!!", "!x ", "|", ">", "? ", "%YAML 1.2", "---\n", "...\n", "<<", "1", "1e", ".inf", "0x", "_"]
YAML_BITS = st.lists(st.sampled_from(MARKS + WHOLE) | st.text(max_size=3), max_size=30).map("".join)


@given(YAML_BITS)
@example('"\\UFFFFFFFF"')
@example("[" * 2000)
@example("0x" + "f" * 4000)
@example("9" * 4001)
@settings(max_examples=200, deadline=None)
def test_whatever_is_typed_a_value_is_read_or_refused(text: str) -> None:
    one_line(lambda: parse_value(text))


@given(st.one_of(st.binary(max_size=60), YAML_BITS.map(lambda text: text.encode("utf-8", "surrogatepass"))))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one_line(lambda: load_yaml(path).keys())
