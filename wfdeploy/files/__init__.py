"""Opening and replacing files, where what lies at a path may have been put there by somebody else."""
