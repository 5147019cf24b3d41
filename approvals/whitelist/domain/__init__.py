"""The command matcher: pure functions and frozen dataclasses, no Django, no I/O, no clock."""
