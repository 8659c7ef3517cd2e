"""What the other constructs are made of: Helm releases, namespaces, ingresses, raw objects."""
