"""One table of options, read from collectd's blocks and from the command line alike."""
import argparse

import pytest

from xenmeter.core.errors import BadOption
from xenmeter.core.options import Option, add_arguments, camel, defaults, from_arguments, from_pairs, from_variable

TABLE = (
    Option("interval", "seconds", 10, "", minimum=0.1), Option("count", "whole", 3, "", minimum=1),
    Option("include", "list", [], ""), Option("group", "choices", ["cpu", "disk"], "", ("cpu", "disk")),
    Option("dom0", "flag", True, ""), Option("instance_format", "choice", "name", "", ("name", "uuid")),
    Option("source", "text", "auto", ""), Option("start", "text", "", ""),
)


def test_defaults_are_fresh_for_each():
    one, other = defaults(TABLE), from_pairs(TABLE, [])[0]
    one.include.append("x")
    assert other.include == [] and (other.interval, other.group, other.dom0) == (10, ["cpu", "disk"], True)


def test_keys_in_any_spelling():
    options, warnings = from_pairs(TABLE, [("InstanceFormat", ("uuid",)), ("INTERVAL", (2.5,)), ("dom0", (False,))])
    assert (options.instance_format, options.interval, options.dom0, warnings) == ("uuid", 2.5, False, [])
    assert camel("instance_format") == "InstanceFormat"


def test_a_list_grows_with_each_key_and_each_value():
    options, _ = from_pairs(TABLE, [("Include", ("a", "b")), ("Include", ("c",)), ("Group", ("disk",))])
    assert options.include == ["a", "b", "c"] and options.group == ["disk"]


def test_collectds_numbers_are_floats_and_come_out_whole():
    options, _ = from_pairs(TABLE, [("Interval", (10.0,)), ("Count", (5.0,))])
    assert (repr(options.interval), repr(options.count)) == ("10", "5")


def test_an_unknown_key_is_a_warning_with_the_nearest_name():
    options, warnings = from_pairs(TABLE, [("Intervall", (5.0,)), ("zzz", (1.0,))])
    assert "Intervall" in warnings[0] and "did you mean Interval?" in warnings[0]
    assert "known are" in warnings[1] and options.interval == 10


def test_an_option_that_is_there_twice_is_a_warning_with_both_values():
    """Of two blocks of one module the last one counts."""
    options, warnings = from_pairs(TABLE, [("Interval", (10.0,)), ("Source", ("xentop",)), ("INTERVAL", (2.0,)),
                                           ("Include", ("a",)), ("Include", ("b",))])
    assert options.interval == 2 and warnings == ["INTERVAL is given twice: 10, then 2, which counts"]


def test_an_option_may_come_from_a_variable_where_it_is_not_written(monkeypatch):
    parser = argparse.ArgumentParser()
    add_arguments(parser, TABLE)

    def interval(value, words):
        monkeypatch.setenv("COLLECTD_INTERVAL", value)
        arguments = parser.parse_args(words)
        from_variable(TABLE, arguments, "interval", "COLLECTD_INTERVAL")
        return from_arguments(TABLE, arguments).interval
    assert [interval("60.000", []), interval("0.500", []), interval("60", ["--interval", "5"]), interval("", [])] == [
        60, 0.5, 5, 10]
    for useless in ("soon", "0", "-1", "nan"):
        with pytest.raises(BadOption) as error:
            interval(useless, [])
        assert "COLLECTD_INTERVAL: %r is not what it takes" % useless in str(error.value)


@pytest.mark.parametrize("key, values", [
    ("Interval", ("soon",)), ("Interval", (0.0,)), ("Interval", (float("nan"),)), ("Interval", (float("inf"),)),
    ("Interval", ()), ("Interval", (1.0, 2.0)), ("Interval", (True,)), ("Count", (1.5,)), ("Count", (0,)),
    ("Group", ("cpu", "tape")), ("Dom0", ("perhaps",)), ("InstanceFormat", ("colour",)), ("Source", ("",)),
    ("Interval", (None,))])
def test_a_bad_value_names_option_value_and_what_it_takes(key, values):
    with pytest.raises(BadOption) as error:
        from_pairs(TABLE, [(key, values)])
    assert key in str(error.value) and "take" in str(error.value) and "\n" not in str(error.value)


def test_the_command_line_is_the_same():
    parser = argparse.ArgumentParser()
    add_arguments(parser, TABLE)
    arguments = parser.parse_args("--interval 5 --include a --include b,c --group cpu,disk --dom0 false "
                                  "--instance-format uuid".split())
    options = from_arguments(TABLE, arguments)
    assert (options.interval, options.include, options.group, options.dom0, options.instance_format, options.source) == (
        5, ["a", "b,c"], ["cpu", "disk"], False, "uuid", "auto")
    assert from_arguments(TABLE, parser.parse_args(["--dom0"])).dom0 is True
    with pytest.raises(BadOption, match="--interval"):
        from_arguments(TABLE, parser.parse_args(["--interval", "x"]))


def test_groups_with_commas_are_taken_in_a_file_as_on_the_command_line():
    """collectd: Group "cpu,network", the form that Telegraf's file has."""
    table = (Option("group", "choices", ["a", "b", "c"], "", ("a", "b", "c")),)
    for pairs in ([("Group", ["a,b"])], [("Group", [" A , b"])], [("Group", ["a", "b"])], [("Group", ["a"]), ("group", ["b"])]):
        assert from_pairs(table, pairs)[0].group == ["a", "b"]
    with pytest.raises(BadOption, match="Group: 'tape' is not what it takes: one of a, b, c"):
        from_pairs(table, [("Group", ["a,tape"])])
