"""`xenmeter execd` as Telegraf's inputs.execd runs it: pipes, signals, and an end of stdin that means stop."""
import os
import re
import select
import signal
import socket
import time

import pytest

from helpers.lineprotocol import parse
from helpers.stage import FIXTURES, HOST, Running, capture_of, domain, iteration, many, readings, source_of, xenmeter

pytestmark = pytest.mark.daemon

SIGNALS = {"sighup": signal.SIGHUP, "sigusr1": signal.SIGUSR1, "sigusr2": signal.SIGUSR2}
JOINED = FIXTURES / "credit2-2pcpu-joined-b-d1-i3-fnxvr"


def execd(xentop=None, *arguments, **options):
    if xentop is not None:
        options["path"] = xentop.path
    return Running("execd", "xentop", "--interval", "1", *arguments, **options)


def ask(running, mode):
    """What Telegraf does at its interval."""
    if mode == "stdin":
        os.write(running.process.stdin.fileno(), b"\n")
    elif mode != "none":
        running.process.send_signal(SIGNALS[mode])


def asking(running, mode, look, timeout=15):
    """Ask again and again until look() holds, as Telegraf would."""
    due = [0.0]
    if mode in SIGNALS:
        running.wait_catching(SIGNALS[mode])

    def asked():
        if time.monotonic() > due[0]:
            due[0] = time.monotonic() + 0.1
            ask(running, mode)
        return look()
    return running.wait_for(asked, timeout, "answer")


def end(running):
    """Telegraf's order to stop; the exit status."""
    running.process.stdin.close()
    return running.wait_end(60)


def assert_telegraf_takes_stderr(running):
    for line in running.err.split(b"\n")[:-1]:
        assert re.match(rb"[EWID]! xenmeter: (xenmeter execd )?xentop: ", line) and len(line) < 4096, line
        assert line.decode().isprintable()
    assert running.err.endswith(b"\n") or not running.err


@pytest.mark.parametrize("mode", ["stdin", "none", "sighup", "sigusr1", "sigusr2"])
def test_each_signal_mode_gathers_and_ends_with_stdin(xentop, mode):
    with execd(xentop, "--signal", mode) as running:
        asking(running, mode, lambda: running.out.count(b"xenmeter,plugin=xentop ") >= 3)
        status = end(running)
        lines = parse(running.out)
    assert status == 0
    assert running.err == b""
    names = {tags["domain"] for measurement, tags, _, _ in lines if measurement == "xen_domain"}
    assert names == {one["name"] for one in readings("--source", source_of(HOST))[0]["domains"]}
    assert {fields["up"] for measurement, _, fields, _ in lines if measurement == "xenmeter"} == {1}
    times = [stamp for measurement, _, _, stamp in lines if measurement == "xen_host"]
    assert times == sorted(set(times)) and abs(times[-1] / 1e9 - time.time()) < 60
    xentop.wait_gone()


@pytest.mark.parametrize("mode", ["stdin", "sighup", "sigusr1", "sigusr2"])
def test_nothing_is_written_that_was_not_asked_for(xentop, mode):
    """And the other signals do nothing; SIGHUP and SIGUSR1 would end a process that does not care for them."""
    with execd(xentop, "--signal", mode) as running:
        asking(running, mode, lambda: running.out)
        xentop.fault("no-memory")       # an event later than several samples, which we can see
        others = [number for name, number in SIGNALS.items() if name != mode]
        for number in others:
            running.process.send_signal(number)
        running.wait_err(rb"Failed to allocate memory")

        def quiet():
            running.out = b""
            running.pump(0.3)
            return not running.out
        running.wait_for(quiet, what="an end of the answers to what was asked before")
        for number in others:
            running.process.send_signal(number)
        if mode != "stdin":
            os.write(running.process.stdin.fileno(), b"\n\n")
        running.pump(0.3)
        assert running.out == b""
        assert end(running) == 0


def test_one_write_for_each_gather(xentop):
    """A socket that keeps the borders of messages, in the place of Telegraf's pipe."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    with ours, execd(xentop, stdout=theirs) as running:
        theirs.close()
        ours.settimeout(0.3)
        packets = []
        for _ in range(200):
            ask(running, "stdin")
            try:
                packets.append(ours.recv(1 << 20))
            except socket.timeout:
                continue
            if len(packets) == 4:
                break
        assert end(running) == 0
    assert len(packets) == 4
    for packet in packets:
        lines = parse(packet)
        assert [tags for measurement, tags, _, _ in lines if measurement == "xenmeter"]
        stamps = [stamp for measurement, _, _, stamp in lines if measurement == "xen_host"]
        assert stamps and {stamp for _, _, _, stamp in lines} == set(stamps)


@pytest.mark.parametrize("fault", ["hang", "stuck"])
@pytest.mark.parametrize("mode", ["stdin", "none"])
def test_the_end_of_stdin_ends_it_while_xentop_hangs(xentop, fault, mode):
    with execd(xentop, "--signal", mode) as running:
        asking(running, mode, lambda: running.out)
        xentop.fault(fault)
        time_of_last = (xentop.control / "fault").stat().st_mtime
        running.wait_for(lambda: time.time() > time_of_last + 0.6, what="an iteration that does not come")
        assert end(running) == 0
    xentop.wait_gone()
    assert_telegraf_takes_stderr(running)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_ends_it(xentop, number):
    with execd(xentop) as running:
        xentop.wait_start()
        running.wait_catching(number)
        running.process.send_signal(number)
        assert running.wait_end(60) == 0
    # a busy machine may take the three seconds after which it says that nobody asks
    assert [line for line in running.err.splitlines() if b"nobody has asked for figures" not in line] == []


@pytest.mark.parametrize("fault", ["", "hang", "stuck"])
def test_no_xentop_outlives_it_even_when_it_is_killed(xentop, fault):
    with execd(xentop) as running:
        asking(running, "stdin", lambda: running.out)
        xentop.fault(fault)
        running.process.kill()
        assert running.wait_end() == -9
        xentop.wait_gone()


def test_xentop_killed_under_it_is_started_again(xentop):
    with execd(xentop) as running:
        asking(running, "stdin", lambda: b"xen_domain," in running.out)
        first = xentop.wait_start(1)
        os.kill(first, signal.SIGSTOP)      # so that what is next for it is the end, and not the fault
        xentop.fault("end")                 # for those that are started again, until we have seen that none is there
        os.kill(first, signal.SIGKILL)
        running.wait_err(rb"E! xenmeter: xentop: xentop ended without a word")
        running.out = b""
        asking(running, "stdin", lambda: b"up=0i" in running.out)
        xentop.fault(None)
        asking(running, "stdin", lambda: b"xen_domain," in running.out)
        asking(running, "stdin", lambda: b"samples come again" in running.err)
        assert len(xentop.starts()) >= 2
        assert end(running) == 0
    assert [line[:2] for line in running.err.splitlines()] == [b"E!", b"I!"]
    assert_telegraf_takes_stderr(running)


@pytest.mark.parametrize("mode", ["stdin", "sigusr1"])
def test_without_xen_each_gather_says_so_and_the_log_once(mode):
    with execd(None, "--signal", mode) as running:
        asking(running, mode, lambda: running.out.count(b"\n") >= 8)
        assert running.process.poll() is None
        assert end(running) == 0
    lines = parse(running.out)
    ups = [fields["up"] for measurement, _, fields, _ in lines if measurement == "xenmeter"]
    assert len(ups) >= 3 and set(ups) == {0}
    assert {measurement for measurement, _, _, _ in lines} == {"xenmeter", "xenmeter_errors"}
    assert running.err.count(b"\n") == 1 and b"there is no /dev/xen/privcmd" in running.err
    assert_telegraf_takes_stderr(running)


def test_a_reader_that_goes_away_ends_it_quietly(xentop):
    with execd(xentop) as running:
        asking(running, "stdin", lambda: running.out)
        running.process.stdout.close()
        running.wait_for(lambda: _try_ask(running) or running.process.poll() is not None, what="its end")
        assert running.wait_end() == 0
    assert running.err == b""
    xentop.wait_gone()


def _try_ask(running):
    try:
        ask(running, "stdin")
    except BrokenPipeError:
        pass


def test_a_thousand_domains_in_one_gather(xentop):
    xentop.play(many(1000))
    with execd(xentop) as running:
        asking(running, "stdin", lambda: running.out.count(b"xenmeter,plugin=xentop ") >= 2, timeout=30)
        assert end(running) == 0
        lines = parse(running.out)
    assert running.err == b""
    by_time = {}
    for measurement, tags, fields, stamp in lines:
        by_time.setdefault(stamp, {}).setdefault(measurement, []).append((tags, fields))
    for found in by_time.values():
        assert len(found["xen_domain"]) == 1000 and len(found["xen_vif"]) == len(found["xen_vbd"]) == 999
        assert len(found["xen_domain_vcpu"]) == 1001
    (_, fields), = [item for item in found["xen_vif"] if item[0]["domain"] == "guest-0500"]
    assert fields["rx_bytes"] - 1000000 in (0, 1, 2) and fields["tx_bytes"] == fields["rx_bytes"] - 500000


def test_a_reader_that_is_slow_gets_every_byte(xentop):
    """Telegraf that stalls: we wait in write(), and what comes is whole."""
    xentop.play(many(1000))
    with execd(xentop, "--signal", "none") as running:
        xentop.wait_start(1)
        readable = select.select([running.process.stdout], [], [], 60)[0]
        assert readable
        xentop.fault("end")             # what comes later shows that xentop was read on meanwhile
        xentop.wait_start(2)
        xentop.fault(None)
        running.wait_for(lambda: running.out.count(b"xenmeter,plugin=xentop ") >= 2, timeout=30)
        assert end(running) == 0
    assert len(parse(running.out)) > 4000


@pytest.mark.parametrize("arguments, said", [
    (["--interval", "soon"], b"--interval: 'soon'"), (["--include", "/(/"], b"is no regular expression"),
    (["--source", "/does/not/exist"], b"no such file or directory"), (["--group", "cpus"], b"'cpus'"),
    (["--nonsense"], b"--nonsense"), (["--signal", "SIGKILL"], b"SIGKILL"),
])
def test_what_cannot_work_is_said_in_lines_that_telegraf_takes(arguments, said):
    with execd(None, *arguments) as running:
        assert running.wait_end() in (1, 2)
    assert said in running.err and running.out == b""
    assert_telegraf_takes_stderr(running)


def test_hostile_names_and_words_of_xentop_stay_in_their_lines(xentop):
    """Names, and what xentop says, are other people's text: no line of stdout or stderr is theirs."""
    names = [b"a,b=c d", b"\x1b[2J", b"quote\"", b"\\", b"tab\tname", "\u202eevil".encode(), b"\xff\xfe", b"x" * 4000]
    xentop.play(iteration([domain(name) for name in names + [b"Domain-0"]]))
    with execd(xentop) as running:
        asking(running, "stdin", lambda: running.out.count(b"xenmeter,plugin=xentop ") >= 2)
        os.kill(xentop.running()[0], 9)
        running.wait_err(b"\n")
        assert end(running) == 0
    tags = [tags["domain"] for measurement, tags, _, _ in parse(running.out) if measurement == "xen_domain"]
    assert len(set(tags)) == len(names) + 1
    assert_telegraf_takes_stderr(running)


def test_a_recording_is_given_out_a_sample_at_each_gather():
    with execd(None, "--source", str(JOINED)) as running:
        for count in (1, 2, 3):
            ask(running, "stdin")
            running.wait_for(lambda count=count: running.out.count(b"xenmeter,plugin=xentop ") == count)
        ask(running, "stdin")
        running.wait_err(rb"I! xenmeter: xentop: .*ended")
        assert running.out.count(b"xenmeter,plugin=xentop ") == 3
        assert end(running) == 0
    direct = xenmeter("xentop", "--format", "influx", "--source", JOINED).stdout
    assert _figures(parse(running.out)) == _figures(parse(direct.encode()))


def _figures(lines):
    return [line for line in lines if not line[0].startswith("xenmeter")]


def test_a_recording_in_mode_none_is_played_and_ends():
    with execd(None, "--source", str(capture_of(HOST)), "--signal", "none") as running:
        assert running.wait_end() == 0
    assert len({stamp for _, _, _, stamp in parse(running.out)}) == 3


def test_no_descriptor_of_ours_is_left_to_the_child(xentop):
    with execd(xentop) as running:
        pid = xentop.wait_start()
        asking(running, "stdin", lambda: running.out)
        links = {number: os.readlink("/proc/%d/fd/%s" % (pid, number)) for number in os.listdir("/proc/%d/fd" % pid)}
        assert links["0"] == "/dev/null" and links["1"] != links["2"]
        # the fake's own: a pipe for its signals (both ends) and what Python opened
        own = os.readlink("/proc/%d/fd/0" % running.process.pid), os.readlink("/proc/%d/fd/1" % running.process.pid)
        assert not set(own) & set(links.values())
        assert end(running) == 0


@pytest.mark.parametrize("mode, waits", [("stdin", b"waits for a line on stdin; give signal = \"STDIN\""),
                                         ("sigusr1", b"waits for SIGUSR1; give signal = \"SIGUSR1\"")])
def test_that_nobody_asks_is_said_once_after_three_intervals(xentop, mode, waits):
    """Telegraf's own default signal is none: then nobody does."""
    began = time.monotonic()        # before it starts: this process may stand still afterwards
    with execd(xentop, "--signal", mode) as running:
        running.wait_for(lambda: running.err.endswith(b"\n"), what="a line")
        assert time.monotonic() - began > 2.9 and running.out == b""
        assert running.err.startswith(b"W! xenmeter: xentop: nobody has asked for figures in 3 s: mode ") and waits in running.err
        asking(running, mode, lambda: running.out)
        assert end(running) == 0
    assert running.err.count(b"nobody has asked") == 1
    assert_telegraf_takes_stderr(running)


@pytest.mark.parametrize("mode, sent", [("stdin", "sighup"), ("sigusr1", "sigusr2"), ("none", "sighup")])
def test_a_signal_of_another_mode_is_said_once(xentop, mode, sent):
    with execd(xentop, "--signal", mode) as running:
        running.wait_catching(SIGNALS[sent])
        asking(running, mode, lambda: running.out)
        for _ in range(3):
            running.process.send_signal(SIGNALS[sent])
            running.wait_for(lambda: running.err.endswith(b"\n"), what="a line")
        assert end(running) == 0
    line, = running.err.splitlines()
    assert line.startswith(b"W! xenmeter: xentop: %s came, which mode %s does not heed: it " % (
        sent.upper().encode(), mode.encode()))
    assert line.endswith(b"is --signal %s meant?" % sent.encode())
