"""The subcommands of `expacti`, one module each."""
