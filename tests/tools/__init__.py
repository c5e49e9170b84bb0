"""What the tests and `make run` need from outside: real programs, and small launchers for them."""
