"""What a running guest's registers and memory say: page tables, stacks, tasks and modules. All of it may be hostile."""
