"""The endpoint in a system: asked as it is, and by a Prometheus on another host, with TLS and a password."""
import contextlib
import json
import re
import ssl
import urllib.error
import urllib.request

from tools.process import free_port

from .hosts import running
from .rows import holds


def endpoint(system):
    """`serve all` of the recording, asked on both of its pages."""
    port = free_port()
    with running(system, "/var/log/serve.log", "/usr/bin/xenmeter", "serve", "all", "--source", "example", "--listen",
                 "127.0.0.1:%d" % port) as wait:
        def asked(path):
            with contextlib.suppress(OSError), _opener().open(
                    "http://127.0.0.1:%d%s" % (port, path), timeout=60) as answer:
                return answer.read().decode()
            return ""
        text = wait(lambda: all(word in asked("/metrics") for word in ("xen_domain_cpu_", "xen_vcpu_", "xen_sched_"))
                    and asked("/metrics"))
        page = holds(asked("/"), "<html", "burner")
    return "%d samples of three plugins; a page of %d KiB at /" % (
        len([line for line in text.splitlines() if line.startswith("xen")]), len(page) >> 10)


def from_another_host(system):
    """conf.d's nginx and Prometheus, both real: the commands that stand in nginx.conf, and a target that is up, by TLS."""
    system.apt("install", "nginx-light", "openssl", "prometheus")
    text = system.path("/usr/share/doc/xenmeter/examples/prometheus/nginx.conf").read_text()
    port, web, tls = (str(free_port()) for _ in range(3))
    commands = "".join(re.findall(r"^#   (.*\n)", text, re.M)).replace("passwd -6", "passwd -6 secret")
    system.run("sh", "-ec", commands)
    system.path("/etc/nginx/conf.d/xenmeter.conf").write_text(text.replace(":9778", ":" + port).replace("9443", tls))
    system.run("sh", "-c", "rm -f /etc/nginx/sites-enabled/default; cp /etc/nginx/xenmeter.crt /etc/prometheus/; "
               "printf secret > /etc/prometheus/xenmeter.password; echo 127.0.0.1 dom0.example.org >> /etc/hosts")
    config = system.path("/usr/share/doc/xenmeter/examples/prometheus/remote.yml").read_text()
    system.path("/etc/prometheus/remote.yml").write_text(config.replace(":9443", ":" + tls).replace("10s", "1s"))
    script = "xenmeter serve all --source example --listen 127.0.0.1:%s & nginx && exec prometheus --config.file=/etc/" \
             "prometheus/remote.yml --web.listen-address=127.0.0.1:%s --storage.tsdb.path=/tmp/tsdb" % (port, web)
    with running(system, "/var/log/remote.log", "sh", "-c", script) as wait:
        def up():
            query = "count(xen_domain_vcpus)%20and%20on()%20up==1"
            with contextlib.suppress(OSError), _opener().open(
                    "http://127.0.0.1:%s/api/v1/query?query=%s" % (web, query), timeout=60) as answer:
                return json.loads(answer.read())["data"]["result"]
            return None
        (found,) = wait(up)
        refused = _status("https://127.0.0.1:%s/metrics" % tls, system.path("/etc/nginx/xenmeter.crt"))
    if refused != 401:
        raise AssertionError("without a password the answer is %s" % refused)
    system.run("sh", "-c", "rm -r /etc/nginx/xenmeter.* /etc/nginx/conf.d/xenmeter.conf /etc/prometheus/xenmeter.*")
    versions = system.run("dpkg-query", "-W", "-f", "${Package} ${Version}, ", "nginx-light", "prometheus").stdout
    return "%sby TLS and a password %s domains; 401 without" % (versions, found["value"][1])


def _opener(*handlers):
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)


def _status(url, authority):
    """What a server answers to who has no password; its certificate may be of another name than is asked for here."""
    context = ssl.create_default_context(cafile=str(authority))
    context.check_hostname = False
    try:
        return _opener(urllib.request.HTTPSHandler(context=context)).open(url, timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code
