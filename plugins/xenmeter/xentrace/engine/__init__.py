"""The engine, pure: a trace's bytes in, figures out; no file, no clock, no thread."""
