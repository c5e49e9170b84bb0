"""Source xentop: the text of ``xentop -b``, from a child, a pipe or a recording."""
