"""What the dashboards show (panels, boards), how each backend is asked for it (ask, promql, collectd, influxql, backends),
and Grafana's model of that (model)."""
