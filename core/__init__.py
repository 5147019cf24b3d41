"""The kernel below every app: canonical JSON, keys, encrypted columns, problems, cursors.

Nothing here knows an organization, a command or an audit record.
"""
