"""promtool, beside the checks of metrics in daemons.py: rules, configurations, and blocks made from OpenMetrics text."""
import subprocess

from . import provision


def promtool(*arguments, **options):
    """Run it; a CompletedProcess with text output."""
    return subprocess.run([provision.program("prometheus", "usr/bin/promtool")] + [str(word) for word in arguments], check=False,
                          env=provision.environment("prometheus"), timeout=600, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
