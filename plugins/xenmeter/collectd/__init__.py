"""What collectd imports: ``xenmeter.collectd.PLUGIN`` for each plugin of ours. These module names are permanent.

They are all one module, plugin.py, under the name by which it was asked for: a plugin brings no file for collectd. Nothing of
ours is imported here: what fails there must not end the daemon.
"""
import importlib.abc
import importlib.util
import os
import sys
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds plugin.py for every folder of a plugin."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        package, _, name = fullname.rpartition(".")
        if package != __name__ or not os.path.exists(os.path.join(os.path.dirname(_HERE), name, "plugin.py")):
            return None
        return importlib.util.spec_from_file_location(fullname, os.path.join(_HERE, "plugin.py"))


sys.meta_path.append(_Finder())
