"""Whatever a stranger brings: each format that wfdeploy reads, given as samples that were damaged at random."""
