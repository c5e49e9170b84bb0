"""``Import "xenmeter.collectd.vcpu"``: the vcpu plugin inside collectd."""
import collectd

try:
    from xenmeter.collectd.bridge import Bridge
    from xenmeter.vcpu.plugin import PLUGIN

    BRIDGE = Bridge(PLUGIN, __name__)
except Exception as error:      # an exception out of an import would end the daemon, and with it all of its plugins
    collectd.error("xenmeter xenvcpu: cannot be loaded, the plugin is off: %s: %s" % (type(error).__name__, error))
