"""The XenMon screen: what to show (history), how it lies on a screen (layout), a terminal (terminal), and its logs."""
