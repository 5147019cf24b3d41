"""Pages of commands: thin edges over the services that the API calls too."""
