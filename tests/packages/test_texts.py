"""Manual pages and completions: made from the parser, read by the programs that will read them."""
import re
import shlex

import pytest

import completion
import man
from commands import commands
from helpers.paths import TOP
from xenmeter.front import plugins
from xenmeter.front.cli import build_parser

pytestmark = pytest.mark.xdist_group("packages: system")

TOP_COMMAND, BELOW = commands()
PAGES = man.pages("2026-01-01")


def plain(text):
    """A page's text without what roff takes for itself."""
    return re.sub(r"\\f[BIR]|\\&", "", text).replace("\\-", "-")


def test_every_command_has_a_page_and_every_option_stands_in_it():
    assert sorted(PAGES) == sorted(["xenmeter.1"] + ["xenmeter-%s.1" % one.words[1] for one in TOP_COMMAND.children])
    for command in BELOW:
        text = plain(PAGES["xenmeter-%s.1" % command.words[1]])
        for action in command.options:
            for name in action.option_strings:
                assert name in text, (command.words, name)


def test_every_text_of_ours_belongs_to_a_command():
    names = {"xenmeter"} | {one.words[1] for one in TOP_COMMAND.children}
    found = {path.stem for path in (TOP / "packaging" / "man").glob("*.inc")}
    assert found and found <= names


def test_who_starts_a_baker_by_hand_is_told_who_may_read():
    """Only the service's unit names the group."""
    assert "--shared-group xenmeter" in (TOP / "packaging" / "systemd" / "xenmeter-baker.service").read_text()
    for text in (plain(PAGES["xenmeter-baker.1"]), (TOP / "packaging" / "README.md").read_text()):
        assert re.search(r"root's\s+alone", text) and "Telegraf's" in text and "--shared-group" in text


@pytest.mark.parametrize("text, shown", [
    ("seconds between readings", "Seconds between readings."), ("pCPUs to trace, like 0-3", "pCPUs to trace, like 0-3."),
    ("rings (the hypervisor's own), or a FIFO", "rings (the hypervisor's own), or a FIFO."), ("see above.", "See above.")])
def test_a_sentence_begins_as_one_and_a_value_as_it_is_written(text, shown):
    assert man.sentence(text) == shown


@pytest.mark.parametrize("name", plugins.NAMES + ("record", "check", "metrics", "serve"))
def test_what_people_begin_with_has_examples(name):
    assert ".SH EXAMPLES" in PAGES["xenmeter-%s.1" % name] and "xenmeter " + name in plain(PAGES["xenmeter-%s.1" % name])


def test_the_examples_in_the_pages_are_understood_by_the_parser():
    tried = 0
    for name, text in PAGES.items():
        for block in re.findall(r"^\.EX\n(.*?)^\.EE$", text, re.MULTILINE | re.DOTALL):
            for line in plain(block).splitlines():
                for call in re.findall(r"\bxenmeter [^|>#]*", line):
                    words = shlex.split(call)[1:]
                    build_parser(words).parse_args(words)
                    tried += 1
    assert tried >= 5


def test_the_options_of_the_services_are_those_that_the_units_read_and_the_parser_takes():
    examples = dict(re.findall(r'^#(XENMETER_\w+)="(.*)"$', (TOP / "packaging" / "xenmeter.default").read_text(), re.MULTILINE))
    read = set()
    for unit, instances in (("xenmeter-baker.service", [""]), ("xenmeter-serve@.service", plugins.NAMES + ("all",)),
                            ("xenmeter-textfile@.service", plugins.NAMES)):
        text = (TOP / "packaging" / "systemd" / unit).read_text()
        start = re.search(r"^ExecStart=/usr/bin/xenmeter (.*)$", text, re.MULTILINE).group(1)
        for instance in instances:
            words = start.replace("%i", instance).split()
            read.update(re.findall(r"\$\{(\w+)\}", start))
            words = [re.sub(r"\$\{(\w+)\}", lambda found: examples[found.group(1)], word) for word in words]
            names = [word[1:] for word in words if word.startswith("$")]
            given = [one for name in names for one in shlex.split(examples[name])]
            build_parser().parse_args([word for word in words if not word.startswith("$")] + given)
            read.update(names)
            for default in re.findall(r'^Environment="(.*?)=(.*)"$', text, re.MULTILINE):
                assert examples[default[0]] == default[1], "the file shows another default than the unit has"
    assert read == set(examples)


@pytest.fixture(scope="module")
def texts(system):
    """The texts where the programs of ``system`` find them."""
    folder = system.path("/texts")
    folder.mkdir()
    for name, text in dict(PAGES, **completion.texts()).items():
        (folder / name).write_text(text)
    return folder


def test_mandoc_and_man_find_nothing_to_say(texts, system):
    told = system.run("sh", "-c", "cd /texts && mandoc -T lint -W warning *.1; for page in *.1; do "
                      "man --warnings -E UTF-8 -Tutf8 -Z -l /texts/$page 2>&1 >/dev/null | sed s,^,$page:\\ ,; done").stdout
    assert told == ""
    assert "OPTIONS" in system.run("sh", "-c", "man -E UTF-8 -l /texts/xenmeter-baker.1 | cat").stdout


def offered(system, words):
    """What bash's completion offers after the words; the last one is what is being written."""
    script = ". /texts/xenmeter.bash; COMP_WORDS=(%s); COMP_CWORD=%d; _xenmeter; printf '%%s\\n' \"${COMPREPLY[@]}\"" % (
        " ".join(map(shlex.quote, words)), len(words) - 1)
    return set(system.run("bash", "-c", script).stdout.split())


def test_bash_completes_every_command_and_option(texts, system):
    for command in [TOP_COMMAND] + BELOW:
        words = list(command.words)
        assert {child.words[-1] for child in command.children} <= offered(system, words + [""])
        assert {name for action in command.options for name in action.option_strings if name.startswith("--")} == \
            offered(system, words + ["--"])


def test_bash_completes_choices_and_not_what_stands_behind_another_command(texts, system):
    assert offered(system, ["xenmeter", "xentop", "--format", "open"]) == {"openmetrics"}
    assert "--share" not in offered(system, ["xenmeter", "xentop", "--sh"])
    assert offered(system, ["xenmeter", "serve", "xento"]) == {"xentop"}
    assert offered(system, ["xenmeter", "xentop", "--group", "netw"]) == {"network"}
    assert offered(system, ["xenmeter", "metrics", "met"]) == {"meter"}


def test_fish_completes(texts, system):
    def told(line):
        script = "source /texts/xenmeter.fish; complete -C %s" % shlex.quote(line)
        return {row.partition("\t")[0] for row in system.run("fish", "--no-config", "-c", script).stdout.splitlines()}
    assert {child.words[-1] for child in TOP_COMMAND.children} <= told("xenmeter ")
    for command in BELOW:
        names = {name for action in command.options for name in action.option_strings if name.startswith("--")}
        assert names <= told(" ".join(command.words) + " --"), command.words
    assert "openmetrics" in told("xenmeter xentop --format ")
    assert "--share" not in told("xenmeter xentop --")


def test_zsh_reads_the_functions_and_completes(texts, system):
    """A terminal for zsh, a tab, and what it writes."""
    system.run("zsh", "-n", "/texts/_xenmeter")
    inner = ("zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z 'PS1=; fpath=(/texts $fpath); autoload -U compinit; "
             "compinit -D -u; setopt auto_list; LISTMAX=0; echo read''y'; zpty -r -m z x '*ready*'; "
             "zpty -w -n z $'xenmeter serve xento\\t'; zpty -r -m z x '*xentop*' && print found; zpty -d z")
    assert "found" in system.run("zsh", "-f", "-c", inner, timeout=60).stdout
