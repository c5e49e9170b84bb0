"""The backends: how each is asked, what its variables offer, and how it marks the runs of `xenmeter bench`."""
import typing

from .collectd import collectd, graphite, owner_of
from .influxql import influxql
from .promql import prometheus
from .telegraf import telegraf


class Backend(typing.NamedTuple):
    """type: of Grafana's data source; ask: from a question to (query, legend); variables: (name, label, query, multi); domain: in
    which label an answer has the domain."""

    name: str
    title: str
    type: str
    ask: typing.Callable
    variables: tuple
    domain: typing.Callable = lambda ask: "domain"


DOMAINS_IN_INFLUX = 'SHOW TAG VALUES FROM "xen_domain" WITH KEY = "domain" WHERE "host" =~ /^${host:regex}$/'



def _variables(hosts, host, domains, domain):
    """Of a data source that speaks PromQL: in which series and label the hosts are, and the domains of one."""
    asked = "label_values(%s, %s)" % (domains, domain)
    return (("host", "Host", "label_values(%s, %s)" % (hosts, host), False), ("domain", "Domains", asked, True),
            ("guest", "One domain", asked, False))


BACKENDS = (
    Backend("influxdb", "xenmeter (Telegraf, InfluxDB)", "influxdb", influxql, (
        ("host", "Host", 'SHOW TAG VALUES FROM "xenmeter" WITH KEY = "host"', False),
        ("domain", "Domains", DOMAINS_IN_INFLUX, True),
        ("guest", "One domain", DOMAINS_IN_INFLUX, False))),
    Backend("prometheus", "xenmeter (Prometheus)", "prometheus", prometheus, _variables(
        "xenmeter_up", "instance", "xen_domain_vcpus{instance=~`${host:regex}(:[0-9]+)?`}", "domain")),
    Backend("collectd", "xenmeter (collectd, write_prometheus)", "prometheus", collectd, _variables(
        "collectd_xentop_count", "instance", "collectd_xentop_virt_cpu_total_total{instance=~`${host:regex}`}", "xentop"),
            owner_of),
    Backend("telegraf", "xenmeter (Telegraf, VictoriaMetrics)", "prometheus", telegraf, _variables(
        "xenmeter_up", "host", "xen_domain_vcpus{host=~`${host:regex}`}", "domain")),
    Backend("graphite", "xenmeter (collectd, write_graphite, VictoriaMetrics)", "prometheus", graphite, _variables(
        '{__name__="xentop.count"}', "host", '{__name__="xentop.virt_cpu_total",host=~`${host:regex}`}', "plugin_instance"),
            lambda ask: "plugin_instance"),
)

#: By backend: how Grafana asks for the runs of `xenmeter bench`, each a mark at its beginning.
ANNOTATIONS = {
    "influxdb": {"query": 'SELECT "length_ns", "label", "reader" FROM "xen_bench" WHERE $timeFilter AND '
                          '"host" =~ /^${host:regex}$/', "tagsColumn": "label,reader", "textColumn": "reader",
                 "fromAnnotations": True},
    "prometheus": {"expr": "xen_bench_start_time_seconds{instance=~`${host:regex}(:[0-9]+)?`} * 1000", "step": "60s",
                   "useValueForTime": True, "titleFormat": "{{label}}", "tagKeys": "label,reader", "textFormat": "{{reader}}"},
    "collectd": {"expr": "collectd_xenbench_gauge{instance=~`${host:regex}`,type=~\".+_start_time\"} * 1000", "step": "60s",
                 "useValueForTime": True, "titleFormat": "{{type}}", "tagKeys": "type", "textFormat": "{{type}}"},
    "telegraf": {"expr": "timestamp(xen_bench_length_ns{host=~`${host:regex}`}) * 1000", "step": "60s", "useValueForTime": True,
                 "titleFormat": "{{label}}", "tagKeys": "label,reader", "textFormat": "{{reader}}"},
    "graphite": {"expr": "{__name__=\"xenbench.gauge\",host=~`${host:regex}`,type_instance=~\".+_start_time\"} * 1000",
                 "step": "60s", "useValueForTime": True, "titleFormat": "{{type_instance}}", "tagKeys": "type_instance",
                 "textFormat": "{{type_instance}}"},
}
