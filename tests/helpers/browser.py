"""A real Chromium without a screen, led over its DevTools pipe: what the page says, asks for and looks like."""
import base64
import contextlib
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import time

from tools import provision

__all__ = ("Browser", "PATIENCE")

#: Seconds for anything that a page does; a slow machine is no finding.
PATIENCE = 240

_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>%s/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir>%s/fonts</cachedir></fontconfig>
"""
#: Chromium wants its pipe at the descriptors 3 and 4.
_LAUNCH = """
import fcntl, os, sys
pipe = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
os.dup2(pipe[0], 3)
os.dup2(pipe[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_READY = """new Promise((done) => {
  const root = document.documentElement;
  const look = () => root.dataset.ready
    && requestAnimationFrame(() => requestAnimationFrame(() => done(root.dataset.ready)));
  new MutationObserver(look).observe(root, {attributes: true});
  look();
})"""


class Browser:
    """One page at a time.

    :ivar complaints: console errors, exceptions, what was refused; :ivar requests: URLs asked for.
    """

    def __init__(self):
        self._home = tempfile.TemporaryDirectory(prefix="xenmeter-chromium-")
        home = self._home.name
        chromium = provision.program("chromium", "usr/lib/chromium/chromium-headless-shell")
        fonts = pathlib.Path(home, "fonts.conf")
        fonts.write_text(_FONTS % (provision.root_of("chromium"), home))
        ours, theirs = os.pipe(), os.pipe()     # we read ours[0], it reads theirs[0]
        self._errors = open(os.path.join(home, "stderr"), "wb")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, str(theirs[0]), str(ours[1]), chromium, "--remote-debugging-pipe",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
             "--user-data-dir=" + home, "about:blank"],
            env=provision.environment("chromium", HOME=home, FONTCONFIG_FILE=str(fonts)), pass_fds=(theirs[0], ours[1]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._errors)
        os.close(theirs[0])
        os.close(ours[1])
        self._in, self._out = ours[0], theirs[1]
        self._held = b""
        self._number = 0
        self._loaded = False
        self.complaints, self.requests = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    # -- the pipe --------------------------------------------------------------------------------------------------
    def call(self, method, **parameters):
        """The result of a DevTools method; events that come meanwhile are noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data):]
        until = time.monotonic() + PATIENCE
        while True:
            answer = self._next(until, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise AssertionError("%s: %s" % (method, answer["error"]))
                return answer["result"]
            self._note(answer)

    def _next(self, until, what):
        while b"\0" not in self._held:
            if not select.select([self._in], [], [], max(0.0, until - time.monotonic()))[0]:
                raise AssertionError("Chromium does not answer to %s" % what)
            data = os.read(self._in, 1 << 20)
            if not data:
                raise AssertionError("Chromium has ended: %s" % pathlib.Path(self._errors.name).read_text()[-2000:])
            self._held += data
        message, _, self._held = self._held.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        method, told = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(one.get("value", one.get("description"))) for one in told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"])
        elif method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])

    # -- a page ----------------------------------------------------------------------------------------------------
    def open(self, path, width=1400, height=1000, dark=False):
        """Open a file, and wait until the page says that it is drawn; gives what it says."""
        self.visit(pathlib.Path(path).resolve().as_uri(), width, height, dark)
        return self.ask(_READY)

    def visit(self, url, width=1400, height=1000, dark=False):
        """Open an address, and wait until it is loaded."""
        self.complaints, self.requests = [], []
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media="",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self._loaded = False
        self.call("Page.navigate", url=url)
        until = time.monotonic() + PATIENCE
        while not self._loaded:
            self._note(self._next(until, "Page.navigate"))

    def ask(self, expression):
        """The value of JavaScript in the page; promises are waited for."""
        told = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            raise AssertionError(told["exceptionDetails"]["exception"].get("description"))
        return told["result"].get("value")

    def key(self, key, code=0):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=key if len(key) == 1 else "",
                      windowsVirtualKeyCode=code)

    def point(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path, clip=None):
        """A PNG of the whole page, or of ``clip``: (x, y, width, height)."""
        if clip is None:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = 0, 0, size["width"], size["height"]
        told = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                         clip=dict(zip(("x", "y", "width", "height"), clip), scale=1))
        pathlib.Path(path).write_bytes(base64.b64decode(told["data"]))

    def printed(self):
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def close(self):
        with contextlib.suppress(OSError):
            os.close(self._out)         # it ends itself when nobody leads it any more
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        self._errors.close()
        self._home.cleanup()
