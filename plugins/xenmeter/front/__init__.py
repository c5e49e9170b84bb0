"""What people and other daemons start: the command, execd, the HTTP endpoint."""
