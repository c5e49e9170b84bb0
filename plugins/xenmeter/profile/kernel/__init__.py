"""What a kernel's image says of it: names, unwind tables, where the members of its structs lie."""
