"""The `galaxy-sklearn` command."""
