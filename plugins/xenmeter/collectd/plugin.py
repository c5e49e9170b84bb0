"""``Import "xenmeter.collectd.xentop"``: a plugin inside collectd, the one whose name the module was asked for by."""
import collectd

_NAME = __name__.rpartition(".")[2]
try:
    from xenmeter.collectd.bridge import Bridge
    from xenmeter.front import plugins

    BRIDGE = Bridge(plugins.get(_NAME), __name__)
except Exception as error:      # an exception out of an import would end the daemon, and with it all of its plugins
    _cause = error.__cause__ or error
    collectd.error("xenmeter %s: cannot be loaded, the plugin is off: %s: %s" % (_NAME, type(_cause).__name__, _cause))
