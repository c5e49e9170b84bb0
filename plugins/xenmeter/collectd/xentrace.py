"""``Import "xenmeter.collectd.xentrace"``: the xentrace plugin inside collectd."""
import collectd

try:
    from xenmeter.collectd.bridge import Bridge
    from xenmeter.xentrace.plugin import PLUGIN, open_without_start

    BRIDGE = Bridge(PLUGIN._replace(open_source=open_without_start), __name__)
except Exception as error:      # an exception out of an import would end the daemon, and with it all of its plugins
    collectd.error("xenmeter xentrace: cannot be loaded, the plugin is off: %s: %s" % (type(error).__name__, error))
