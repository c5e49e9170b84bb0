"""The vcpu plugin: what each virtual CPU does, from mapped pages or from hypercalls."""
