"""What the loaded files declare, identified, in a database: the runs of one command, and a cache for the next one."""
