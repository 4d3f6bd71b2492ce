"""What everything else stands on: errors, digests, manifests, the object store, settings, connections."""
