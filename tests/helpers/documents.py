"""The READMEs of an unpacked package."""
import gzip
import re


def documents(folder):
    """(path, text) of all READMEs below a folder, packed or not."""
    for path in folder.rglob("*.md*"):
        yield path, (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()


def dead_links(folder):
    """What the READMEs below a folder link to and is not there."""
    return [(path.name, link) for path, text in documents(folder) for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text)
            if not link.startswith("http") and not (path.parent / link).exists()]
