"""Where the programs are that we start."""
import os
import shutil
from typing import Optional

__all__ = ("find_program",)

#: Daemons often run without sbin in their PATH.
_MORE = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin")


def find_program(name):
    # type: (str) -> Optional[str]
    """Its path, through PATH and the usual folders; None where it is not installed.

    Folders of PATH that are relative, or empty, are left out: the working directory may be anybody's.
    """
    folders = os.environ.get("PATH", "").split(os.pathsep)
    return shutil.which(name, path=os.pathsep.join([one for one in folders if os.path.isabs(one)] + list(_MORE)))
