"""What each domain uses: by the text of ``xentop -b``, or from Xen and dom0 themselves."""
