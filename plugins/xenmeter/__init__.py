"""xenmeter: figures of a Xen host for the monitoring that the site already runs."""

__version__ = "0.1.0"
