"""xentop: what each domain uses; from the text of ``xentop -b``."""
