"""Pictures of parts of a page as one, small enough for a README."""
from PIL import Image

__all__ = ("stack",)


def stack(parts, target, width, colours):
    """Write the pictures of the paths ``parts``, one under the other, into the path ``target`` with so many colours, and say how
    large it is."""
    images = [Image.open(str(one)).convert("RGB") for one in parts]
    whole = Image.new("RGB", (width, sum(one.height for one in images)), "white")
    top = 0
    for one in images:
        whole.paste(one, (0, top))
        top += one.height
    whole.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(str(target), optimize=True)
    print("%s: %d bytes" % (target.name, target.stat().st_size))
