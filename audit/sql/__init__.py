"""The database's own guards, applied by migration 0002. A later change is a later migration."""
