"""The cluster itself: its identity, K3s on the servers, kubeconfigs."""
