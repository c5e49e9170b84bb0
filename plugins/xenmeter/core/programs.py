"""Where the programs are that we start."""
import os
import shutil
from typing import Optional

__all__ = ("find_program",)

#: Daemons and users often have a PATH without sbin, where Xen's tools are. One that has an sbin folder is taken as it is. The
#: last is NixOS's.
_MORE = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/run/current-system/sw/bin")


def find_program(name: str) -> Optional[str]:
    """Its path, through PATH, and through the usual folders where PATH has no sbin; None where it is not installed.

    Folders of PATH that are relative, or empty, are left out: the working directory may be anybody's.
    """
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if os.path.isabs(folder)]
    if not any(os.path.basename(folder.rstrip("/")) == "sbin" for folder in folders):
        folders.extend(_MORE)
    return shutil.which(name, path=os.pathsep.join(folders))
