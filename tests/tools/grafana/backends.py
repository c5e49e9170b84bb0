"""The backends: how each is asked, what its variables offer, and how it marks the runs of `xenmeter bench`."""
import typing

from .collectd import collectd
from .influxql import influxql
from .promql import prometheus


class Backend(typing.NamedTuple):
    name: str
    title: str
    type: str
    ask: typing.Callable
    variables: tuple    # (name, label, query, multi)


DOMAINS_IN_INFLUX = 'SHOW TAG VALUES FROM "xen_domain" WITH KEY = "domain" WHERE "host" =~ /^${host:regex}$/'

BACKENDS = (
    Backend("influxdb", "xenmeter (Telegraf, InfluxDB)", "influxdb", influxql, (
        ("host", "Host", 'SHOW TAG VALUES FROM "xenmeter" WITH KEY = "host"', False),
        ("domain", "Domains", DOMAINS_IN_INFLUX, True),
        ("guest", "One domain", DOMAINS_IN_INFLUX, False))),
    Backend("prometheus", "xenmeter (Prometheus)", "prometheus", prometheus, (
        ("host", "Host", "label_values(xenmeter_up, instance)", False),
        ("domain", "Domains", 'label_values(xen_domain_vcpus{instance=~`${host:regex}(:[0-9]+)?`}, domain)', True),
        ("guest", "One domain", 'label_values(xen_domain_vcpus{instance=~`${host:regex}(:[0-9]+)?`}, domain)', False))),
    Backend("collectd", "xenmeter (collectd, write_prometheus)", "prometheus", collectd, (
        ("host", "Host", "label_values(collectd_xentop_count, instance)", False),
        ("domain", "Domains", 'label_values(collectd_xentop_virt_cpu_total_total{instance=~`${host:regex}`}, xentop)', True),
        ("guest", "One domain", 'label_values(collectd_xentop_virt_cpu_total_total{instance=~`${host:regex}`}, xentop)', False))),
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
}
