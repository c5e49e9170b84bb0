"""What collectd imports. The module names ``xenmeter.collectd.<plugin>`` are permanent."""
