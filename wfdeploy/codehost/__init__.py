"""Comment on pull requests, by the APIs of their hosts."""
