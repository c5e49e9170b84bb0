"""``python3 -m xenmeter``: the same as the ``xenmeter`` command.

Python puts the working directory before its own library for this. Whoever can write there would choose what root runs, so
it is taken out again before anything else is imported. The package itself Python has looked for there already: root types
``xenmeter``, or ``python3 -I -m xenmeter``.
"""
import sys

if __name__ == "__main__":
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        del sys.path[0]
    from xenmeter.front.cli import main
    sys.exit(main())
