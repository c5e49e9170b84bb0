"""What runs for months: execd, the HTTP endpoint, the textfile."""
