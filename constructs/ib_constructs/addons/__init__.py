"""What runs in the cluster, a file each."""
