"""wfdeploy: GitOps for workflow runs."""

__version__ = "0.1.0"
