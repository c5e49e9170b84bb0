"""A machine that QEMU emulates: Xen, a dom0, one job in it. It always ends: by its own power-off, or by our deadline."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import threading
import time

from lab.image import make_disk
from tools.debian import ProvisionError

__all__ = ("Machine", "Outcome", "URGENT")

XEN = "loglvl=all guest_loglvl=all dom0_mem=1024M,max:1024M noreboot=1 spec-ctrl=no xpti=no watchdog=0 bootscrub=0"
DOM0 = "console=hvc0 loglevel=5 mitigations=off panic=5 net.ifnames=0 audit=0"

#: Nothing goes before it.
URGENT = -20
#: Seconds without a mark of the lab's on the console after which its last line is shown.
QUIET = 240
#: What Xen says last when it, or dom0, cannot go on: it is told not to boot anew, and stands still.
STOPPED = re.compile(rb"Manual reset required|'noreboot' set")
#: Why: the line after Xen's own first, or the one of dom0's kernel.
REASON = re.compile(rb"Panic on CPU \d+:\s*\n\(XEN\) (?P<xen>[^\n]*)|(?P<dom0>Kernel panic - not syncing[^\n]*)")
#: Seconds before the deadline at which the job ends: with guests that work, dom0 took 330 s to keep Xen's log and power off.
ENDING = 400


class Outcome:
    """How a boot went. ``seconds``: wall clock; ``peak_mb``: QEMU's memory; ``complaint``: None when all went well."""

    def __init__(self, seconds, peak_mb, complaint):
        self.seconds = seconds
        self.peak_mb = peak_mb
        self.complaint = complaint


class Machine:
    """One emulated machine.

    :param image: of ``lab.image``. :param folder: for its disks and logs; emptied first.
    :param hypervisor: another Xen's path (an uncompressed ELF, as ``make -C xen`` leaves it at xen/xen).
    :param xen: more of Xen's command line. :param pcpus: pCPUs. :param memory: MiB of the whole machine.
    :param disks: more raw disks. :param cpu: more of QEMU's model of a CPU. :param devices: more of its devices.
    :param reached: (address, port) inside that this machine reaches: dom0 gets a network card, of a network of QEMU's own.
    :param urgent: before all else that runs on this machine, as far as that is allowed (root): what is measured depends on how
        fast the emulator is.
    :ivar ports: of 127.0.0.1, in their order, which lead there.
    """

    def __init__(self, image, folder, say, hypervisor=None, xen="", pcpus=2, memory=3072, disks=(), cpu="", devices=(),
                 reached=(), urgent=False):
        self.image = image
        self.folder = pathlib.Path(folder)
        self.say = say
        self.hypervisor = hypervisor or image.xen
        self.xen = xen
        self.cpu = image.arch.cpu + cpu
        self.devices = devices
        self.pcpus = pcpus
        self.memory = memory
        self.disks = [(disk, "") for disk in disks]
        self.haste = ["nice", "-n", str(URGENT)] if urgent else []
        self.ports = _free_ports(len(reached))
        self.network = _card(list(zip(self.ports, reached)))
        self.console = self.folder / "console.log"

    def run(self, code, job, deadline, beside=None):
        """Boot with the folder `code` on a disk of its own, run the named job, wait for the end; returns an Outcome.

        :param beside: what works meanwhile on this machine, in a thread of its own; what it raises is the complaint.
        """
        shutil.rmtree(str(self.folder), ignore_errors=True)
        self.folder.mkdir(parents=True)
        (pathlib.Path(code) / "job").write_text(f"{job} {int(deadline - ENDING)}\n")
        tools = self.image.tools
        make_disk(tools, self.folder / "code.ext4", "labcode", code, 64)
        make_disk(tools, self.folder / "results.ext4", "labresults", None, 512)
        began = time.monotonic()
        with (self.folder / "qemu.log").open("wb") as log:
            qemu = subprocess.Popen([*self.haste, "setpriv", "--pdeathsig", "KILL", *self._command()], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=subprocess.STDOUT, env=tools.environment(),
                                    start_new_session=True)
        worker = _Beside(beside)
        try:
            complaint, peak = self._watch(qemu, began + deadline)
        finally:
            if qemu.poll() is None:
                qemu.kill()
            qemu.wait()
        complaint = worker.end() or complaint
        self._fetch_results()
        return Outcome(time.monotonic() - began, peak, complaint)

    def _command(self):
        share, arch = self.image.tools.root / "usr" / "share", self.image.arch
        command = [self.image.tools.program(arch.emulator[0]), "-L", share / "qemu", "-L",
                   share / "seabios", *arch.machine, "-accel", "tcg,thread=multi", "-cpu", self.cpu, "-smp", self.pcpus,
                   "-m", self.memory, "-kernel", self.hypervisor, "-append", f"{arch.xen} {XEN} {self.xen}",
                   *arch.dom0(self.image.kernel, DOM0, self.image.initramfs),
                   "-display", "none", "-vga", "none", *self.network, "-no-reboot",
                   "-serial", f"file:{self.console}",
                   *(word for device in self.devices for word in ("-device", device))]
        disks = [(self.image.root, ",snapshot=on"), (self.folder / "code.ext4", ""), (self.folder / "results.ext4", "")]
        for number, (file, more) in enumerate(disks + self.disks):
            command += ["-drive", f"if=none,id=d{number},format=raw,file={file},cache=unsafe{more}",
                        "-device", arch.disk.format(number)]
        return [str(word) for word in command]

    def _watch(self, qemu, end):
        """Show the lines that the lab's own scripts print, until QEMU ends, the machine stands still or the time is over."""
        shown, peak, finished, heard, last = 0, 0, False, time.monotonic(), "none yet"
        while True:
            running = qemu.poll() is None
            peak = max(peak, _memory_mb(qemu.pid))
            text = self.console.read_bytes() if self.console.exists() else b""
            whole = text[shown:text.rfind(b"\n") + 1]
            shown += len(whole)
            for line in whole.decode(errors="replace").splitlines():
                if "LAB: " in line or "Xen version" in line:
                    self.say(_printable(line))
                    heard, last = time.monotonic(), line
                finished = finished or "LAB: " in line and "power off" in line
            if time.monotonic() > heard + QUIET:
                self.say(f"no mark for {QUIET} s; the last one: {_printable(last)!r}; the console's last line: "
                         f"{_printable(_last_line(text))!r}")
                heard = time.monotonic()
            if STOPPED.search(whole):
                return f"the machine stands still: {_reason(text)}; its console is {self.console}", peak
            if not running:
                return None if finished and qemu.returncode == 0 else self._trouble(qemu), peak
            if time.monotonic() > end:
                return f"the machine was still running at its deadline; its console is {self.console}", peak
            time.sleep(0.2)

    def _trouble(self, qemu):
        said = (self.folder / "qemu.log").read_text(errors="replace").strip()
        return f"QEMU ended with status {qemu.returncode} before dom0 powered off: {said or self.console}"

    def _fetch_results(self):
        """/results of dom0, into `results`, without mounting anything."""
        target = self.folder / "results"
        target.mkdir()
        disk = self.folder / "results.ext4"
        # where dom0 ended otherwise, what it wrote last is in the journal
        subprocess.run([str(self.image.tools.program("e2fsck")), "-fp", str(disk)], check=False, stdin=subprocess.DEVNULL,
                       env=self.image.tools.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ran = subprocess.run([str(self.image.tools.program("debugfs")), "-R", f"rdump / {target}", str(disk)],
                             check=False, env=dict(os.environ, **self.image.tools.environment()),
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        if ran.returncode:
            raise ProvisionError(f"the results of {self.folder.name} cannot be read: {ran.stderr.decode()}")
        for file in ("results.ext4", "code.ext4"):
            (self.folder / file).unlink()


class _Beside:
    """What works beside the machine, in a thread that ends with it."""

    def __init__(self, work):
        self._complaint = None
        self._thread = None
        if work is not None:
            self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
            self._thread.start()

    def _run(self, work):
        try:
            work()
        except Exception as error:
            self._complaint = f"what worked beside the machine failed: {type(error).__name__}: {error}"

    def end(self, patience=60):
        """Wait for it; what went wrong, or None."""
        if self._thread is not None:
            self._thread.join(patience)
            if self._thread.is_alive():
                return "what worked beside the machine did not end with it"
        return self._complaint


def _free_ports(count):
    """Ports that were free just now."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in found]


def _card(forwarded):
    """QEMU's words for a card that the kernel of dom0 has a driver for: virtio's would not do DMA through a PV dom0.

    :param forwarded: (port here, (address, port) there). Nothing leaves that network.
    """
    if not forwarded:
        return ["-nic", "none"]
    ways = ",".join("hostfwd=tcp:127.0.0.1:{}-{}:{}".format(here, *there) for here, there in forwarded)
    return ["-nic", "none", "-netdev", f"user,id=net,restrict=on,{ways}", "-device", "e1000,netdev=net,romfile="]


def _printable(text):
    return "".join(c for c in text if c.isprintable())


def _last_line(console):
    return next((line for line in reversed(console.decode(errors="replace").splitlines()) if line.strip()), "")


def _reason(console):
    """Why Xen or dom0's kernel gave up, by the last of their lines on it."""
    found = [found[found.lastgroup] for found in REASON.finditer(console)]
    return _printable((found[-1] if found else b"no panic was told").decode(errors="replace").strip())


def _memory_mb(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith("VmHWM")), 0)
