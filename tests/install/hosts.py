"""What is done in a system as somebody does it who administers one: packages installed, daemons run."""
import contextlib
import shutil
import subprocess

from tools.process import poll

#: Seconds of patience with a daemon.
PATIENCE = 240


@contextlib.contextmanager
def running(system, log, *words):
    """A daemon of a system until the end of the block; its words go to a file of that system, whose text ``told()`` gives."""
    path = system.path(log)
    with open(str(path), "wb") as sink:
        process = subprocess.Popen(system.command("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", *words),
                                   stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)

    def said():
        return path.read_text(errors="replace")[-2000:]

    def wait(look):
        def seen():
            if process.poll() is not None:
                raise RuntimeError("%s ended with %d: %s" % (words[0], process.returncode, said()))
            return look()
        return poll(seen, PATIENCE, lambda why: RuntimeError(why + "\n" + said()))
    try:
        yield wait
    finally:
        process.kill()
        process.wait()


def put_in(system, files, place):
    """The packages into a folder of the system: how apt is told of them there."""
    folder = system.path(place)
    shutil.rmtree(str(folder), ignore_errors=True)
    folder.mkdir(parents=True)
    for path in files:
        if path.suffix == ".deb" and "dbgsym" not in path.name:
            shutil.copy(str(path), str(folder))


def apt_install(system, place, *patterns, recommended=False):
    """As README has it; with what is recommended, as apt does unless told (a minimal system is told)."""
    files = " ".join("./%s_*.deb" % name for name in patterns)
    system.run("sh", "-c", "cd %s && apt-get -qq -y -o Dpkg::Options::=--force-confold -o APT::Install-Recommends=%s install %s"
               % (place, str(recommended).lower(), files))
