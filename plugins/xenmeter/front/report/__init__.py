"""``xenmeter report``: one HTML file with plots, from a trace or a log. Needs Bokeh: the extra ``report``."""
