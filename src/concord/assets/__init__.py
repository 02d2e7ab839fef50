"""A graph of versioned datasets: tables, commits, snapshots and changes."""
